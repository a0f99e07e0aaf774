"""`run_experiment`: final metrics, the result of an expectation, and the description of the run."""

from pathlib import Path

import mlflow
import pytest
from sklearn.metrics import accuracy_score, log_loss
from support import FEW_STEPS, TrackedRun, write_user_experiment

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.experiment import run_experiment
from mnistexp.tracking.config import OWN_TAGS


def test_final_metrics_equal_those_of_the_logged_model_in_keras(two_layers_run: TrackedRun) -> None:
    (output,) = two_layers_run.run.outputs.model_outputs
    mlflow.set_tracking_uri(two_layers_run.client.tracking_uri)
    network = mlflow.tensorflow.load_model(f"models:/{output.model_id}")
    data = load_data(two_layers_run.result.config.data)
    logged = two_layers_run.run.data.metrics
    for name, split in (("val", data.validation), ("test", data.test)):
        probabilities = network.predict(split.images, verbose=0).astype("f8")
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        assert logged[f"{name}_loss"] == pytest.approx(
            log_loss(split.labels, probabilities), rel=1e-5
        )
        assert logged[f"{name}_accuracy"] == accuracy_score(
            split.labels, probabilities.argmax(axis=1)
        )


def test_all_tags_of_a_run_are_reserved(two_layers_run: TrackedRun) -> None:
    tags = {tag for tag in two_layers_run.run.data.tags if not tag.startswith("mlflow.")}
    assert tags - {"purpose"} <= OWN_TAGS


def test_final_metrics_equal_the_last_evaluation_of_the_training(
    two_layers_run: TrackedRun,
) -> None:
    result = two_layers_run.result
    accuracies = list(result.history["test_accuracy"].values())
    assert result.metrics["test_accuracy"] == accuracies[-1]
    assert result.metrics["test_accuracy_max"] == max(accuracies)
    assert result.metrics["val_accuracy"] == result.history.last("val_accuracy")


@pytest.mark.parametrize(
    ("interval", "overrides", "expected"),
    [
        ("[0.0, 1.0]", ["seed=3", "device=cpu"], "met"),
        ("[0.99, 1.0]", [], "missed"),
        ("[0.0, 1.0]", ["train.steps=3"], "not judged"),
    ],
)
def test_the_test_accuracy_of_an_unaltered_experiment_is_compared_with_its_expectation(
    interval: str,
    overrides: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = "train: {steps: 5}\ndata: {train_size: 1000}\n"
    write_user_experiment(tmp_path, "short", f"{settings}expect: {{test_accuracy: {interval}}}\n")
    config, source = compose_config(["user=short", *overrides, "tracking=none"])
    assert run_experiment(config, source).expectation_result == expected


def test_a_run_without_an_expectation_has_no_expectation_result() -> None:
    result = run_experiment(*compose_config([*FEW_STEPS, "tracking=none"]))
    assert result.expectation_result == ""


def test_the_page_of_a_run_shows_its_command_metrics_and_expectation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_user_experiment(
        tmp_path,
        "short",
        "train: {steps: 5}\ndata: {train_size: 1000}\nexpect: {test_accuracy: [0.0, 1.0]}\n",
    )
    result = run_experiment(*compose_config(["user=short", "tracking.figures=false"]))
    run = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_run(result.run_id)
    description = run.data.tags["mlflow.note.content"]
    assert "`mnistexp user=short tracking.figures=false`" in description
    assert f"| {run.data.metrics['test_accuracy']:.4g} |" in description
    assert "| seconds, whole run with loading TensorFlow |" in description
    assert "Expected: 0.0000 to 1.0000; met." in description
    assert run.data.tags["expectation"] == "met"
