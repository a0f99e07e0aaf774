"""What a run records in MLflow, read by MLflow's own client."""

import json
import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
from support import TrackedRun

from mnistexp.config.config_hash import config_hash
from mnistexp.data import load_data
from mnistexp.tracking.metric_names import metric_name


def artifact(two_layers_run: TrackedRun, name: str) -> str:
    path = mlflow.artifacts.download_artifacts(
        run_id=two_layers_run.run.info.run_id,
        artifact_path=name,
        tracking_uri=two_layers_run.client.tracking_uri,
    )
    return Path(path).read_text()


def test_a_run_is_finished_and_named_after_its_choices_and_its_seed(
    two_layers_run: TrackedRun,
) -> None:
    assert two_layers_run.run.info.status == "FINISHED"
    assert two_layers_run.run.info.run_name == "two_layers-adam_decay-epochs=2-s3"
    experiment = two_layers_run.client.get_experiment(two_layers_run.run.info.experiment_id)
    assert experiment.name == "mnistexp"


def test_settings_and_choices_are_parameters(two_layers_run: TrackedRun) -> None:
    params = two_layers_run.run.data.params
    assert params["model"] == "two_layers"
    assert params["optim"] == "adam_decay"
    assert params["optim/decay"] == "exponential"
    assert params["optim.learning_rate"] == "0.0031"
    assert params["model.layers.hidden1.units"] == "200"
    assert params["seed"] == "3"


def test_every_metric_has_its_history_by_step(two_layers_run: TrackedRun) -> None:
    run_id = two_layers_run.run.info.run_id
    for name, stored in {
        "train_loss": "train_loss",
        "train_accuracy": "train_accuracy",
        "learning_rate": "train_learning_rate",
        "images_per_second": "system/images_per_second",
    }.items():
        logged = {m.step: m.value for m in two_layers_run.client.get_metric_history(run_id, stored)}
        assert logged == two_layers_run.result.history[name]
        assert list(logged) == sorted({*range(50, 1101, 50), 550, 1100})
    for name in ("val_loss", "val_accuracy"):
        steps = [metric.step for metric in two_layers_run.client.get_metric_history(run_id, name)]
        assert steps[:2] == [550, 1100]


def test_final_results_are_metrics(two_layers_run: TrackedRun) -> None:
    metrics = two_layers_run.run.data.metrics
    assert metrics["test_accuracy"] > 0.95
    assert metrics["test_accuracy_max"] >= metrics["test_accuracy"]
    assert metrics["system/num_parameters"] == 159_010
    assert 0 < metrics["system/train_seconds"] < metrics["system/seconds"]
    assert metrics["system/peak_memory_mb"] > 100
    assert metrics["system/mean_images_per_second"] > 0


def test_the_charts_of_a_run_begin_with_accuracy_and_loss(two_layers_run: TrackedRun) -> None:
    """MLflow sorts them by name, after the tab of the metrics below `system/`."""
    names = sorted(two_layers_run.run.data.metrics)
    in_first_tab = [name for name in names if not name.startswith("system/")]
    assert in_first_tab[:3] == ["test_accuracy", "test_accuracy_max", "test_loss"]
    assert all("accuracy" in name or "loss" in name or "rate" in name for name in in_first_tab)


def test_values_without_a_curve_have_step_0_so_that_mlflow_draws_no_curve_of_one_point(
    two_layers_run: TrackedRun,
) -> None:
    run_id = two_layers_run.run.info.run_id
    for name in two_layers_run.run.data.metrics:
        values = two_layers_run.client.get_metric_history(run_id, name)
        has_curve = metric_name(name) in two_layers_run.result.history.to_frame()
        assert (len(values) > 1) == has_curve
        assert has_curve or [value.step for value in values] == [0]


def test_config_and_environment_are_artifacts(two_layers_run: TrackedRun) -> None:
    assert "learning_rate: 0.0031" in artifact(two_layers_run, "config.yaml")
    assert artifact(two_layers_run, "overrides.txt").splitlines()[0] == "model=two_layers"
    environment = json.loads(artifact(two_layers_run, "environment.json"))
    assert environment["packages"]["mlflow"] == mlflow.__version__
    assert "159,010" in artifact(two_layers_run, "model_summary.txt")


def test_tags_hold_what_runs_can_be_filtered_by(two_layers_run: TrackedRun) -> None:
    tags = two_layers_run.run.data.tags
    assert tags["purpose"] == "testing"
    assert tags["mlflow.note.content"] == "A short one"
    assert tags["precision"] == "float32"
    assert tags["xla"] in ("on", "off")
    assert tags["device_type"] == "cpu"
    assert tags["host"]
    assert re.fullmatch(r"[0-9a-f]{64}", tags["weights_sha256"])
    data = load_data(two_layers_run.result.config.data)
    assert tags["config_hash"] == config_hash(two_layers_run.result.config, data.digest)


def test_the_dataset_is_an_input_with_its_digest(two_layers_run: TrackedRun) -> None:
    (dataset,) = [entry.dataset for entry in two_layers_run.run.inputs.dataset_inputs]
    assert dataset.name == "mnist"
    assert load_data(two_layers_run.result.config.data).digest.startswith(dataset.digest)
    assert json.loads(dataset.profile) == {"train": 55_000, "validation": 5_000, "test": 10_000}


def test_the_logged_model_predicts_from_raw_pixels(two_layers_run: TrackedRun) -> None:
    (output,) = two_layers_run.run.outputs.model_outputs
    mlflow.set_tracking_uri(two_layers_run.client.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    test = load_data(two_layers_run.result.config.data).test
    probabilities = model.predict(test.images)
    accuracy = (probabilities.argmax(axis=1) == test.labels).mean()
    assert accuracy == two_layers_run.run.data.metrics["test_accuracy"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    truth = probabilities[np.arange(10_000), test.labels].astype("f8")
    assert -np.log(truth).mean() == pytest.approx(
        two_layers_run.run.data.metrics["test_loss"], rel=1e-6
    )
    signature = model.metadata.signature
    assert signature.inputs.inputs[0].type == np.uint8
    assert signature.inputs.inputs[0].shape == (-1, 28, 28, 1)
    assert model.metadata.saved_input_example_info is not None


def test_no_pickle_is_in_the_model(two_layers_run: TrackedRun) -> None:
    names = [path.name for path in (two_layers_run.folder / "mlruns").rglob("*") if path.is_file()]
    assert "model.keras" in names
    assert not [name for name in names if "pickle" in name or name.endswith(".pkl")]


def test_only_the_store_and_the_run_folder_are_in_the_working_folder(
    two_layers_run: TrackedRun,
) -> None:
    assert sorted(path.name for path in two_layers_run.folder.iterdir()) == [
        "mlflow.db",
        "mlruns",
        "runs",
    ]
    assert len(list((two_layers_run.folder / "runs").iterdir())) == 1


def test_nothing_is_left_in_the_folder_of_a_run_that_is_in_the_store(
    two_layers_run: TrackedRun,
) -> None:
    (folder,) = (two_layers_run.folder / "runs").iterdir()
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
