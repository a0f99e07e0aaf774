"""A run as MLflow's own client reads it, and how a run ends."""

import json
import math
import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
from support import TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash
from mnistexp.data import load_data
from mnistexp.errors import TrackingError
from mnistexp.experiment import run_experiment
from mnistexp.tracking import MlflowTracking, check_tracking, run_context, tracking_uri


def artifact(two_layers_run: TrackedRun, name: str) -> str:
    path = mlflow.artifacts.download_artifacts(
        run_id=two_layers_run.run.info.run_id,
        artifact_path=name,
        tracking_uri=two_layers_run.client.tracking_uri,
    )
    return Path(path).read_text()


def test_the_run_is_finished_and_named(two_layers_run: TrackedRun) -> None:
    assert two_layers_run.run.info.status == "FINISHED"
    assert two_layers_run.run.info.run_name == "two_layers-adam_decay-s3"
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
    for name in ("train_loss", "train_accuracy", "learning_rate", "images_per_second"):
        logged = {m.step: m.value for m in two_layers_run.client.get_metric_history(run_id, name)}
        assert logged == two_layers_run.result.history[name]
        assert list(logged) == sorted({*range(50, 1101, 50), 550, 1100})
    for name in ("val_loss", "val_accuracy"):
        steps = [metric.step for metric in two_layers_run.client.get_metric_history(run_id, name)]
        assert steps[:2] == [550, 1100]


def test_final_figures_are_metrics(two_layers_run: TrackedRun) -> None:
    metrics = two_layers_run.run.data.metrics
    assert metrics["test_accuracy"] > 0.95
    assert metrics["test_accuracy_max"] >= metrics["test_accuracy"]
    assert metrics["num_parameters"] == 159_010
    assert 0 < metrics["train_seconds"] < metrics["seconds"]
    assert metrics["peak_memory_mb"] > 100
    assert metrics["mean_images_per_second"] > 0


def test_config_and_surroundings_are_artifacts(two_layers_run: TrackedRun) -> None:
    assert "learning_rate: 0.0031" in artifact(two_layers_run, "config.yaml")
    assert artifact(two_layers_run, "overrides.txt").splitlines()[0] == "model=two_layers"
    environment = json.loads(artifact(two_layers_run, "environment.json"))
    assert environment["packages"]["mlflow"] == mlflow.__version__
    assert "159,010" in artifact(two_layers_run, "model_summary.txt")


def test_tags_say_what_runs_can_be_filtered_by(two_layers_run: TrackedRun) -> None:
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


def test_the_data_set_is_an_input_with_its_digest(two_layers_run: TrackedRun) -> None:
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


def test_nothing_else_is_left_in_the_working_folder(two_layers_run: TrackedRun) -> None:
    assert sorted(path.name for path in two_layers_run.folder.iterdir()) == [
        "mlflow.db",
        "mlruns",
        "runs",
    ]
    assert len(list((two_layers_run.folder / "runs").iterdir())) == 1


def test_without_tracking_nothing_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config, _ = compose_config(["tracking=none", "train.steps=5", "data.train_size=1000"])
    result = run_experiment(config)
    assert result.run_id is None
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    config = MlflowTracking(type="mlflow")
    with run_context(config, "short") as tracker:
        pass
    assert tracker.run_id is not None
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/elsewhere.db")
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


@pytest.fixture
def chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_leaves_the_environment_as_it_was(chdir: Path) -> None:
    with run_context(MlflowTracking(type="mlflow", uri=f"sqlite:///{chdir}/a.db"), "first"):
        pass
    assert tracking_uri() == f"sqlite:///{chdir}/mlflow.db"


def test_the_same_words_in_another_folder_are_another_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with run_context(MlflowTracking(type="mlflow"), name):
            pass
        assert (tmp_path / name / "mlflow.db").is_file()


def run_that_raises(folder: Path, error: BaseException) -> mlflow.entities.Run:
    uri = f"sqlite:///{folder}/mlflow.db"
    with (
        pytest.raises(type(error)),
        run_context(MlflowTracking(type="mlflow", uri=uri), "doomed") as tracker,
    ):
        tracker.log_metrics({"train_loss": math.pi}, step=7)
        raise error
    assert tracker.run_id is not None
    return mlflow.MlflowClient(uri).get_run(tracker.run_id)


def test_a_failed_run_says_why_and_keeps_its_metrics(chdir: Path) -> None:
    run = run_that_raises(chdir, RuntimeError("the disk is full"))
    assert run.info.status == "FAILED"
    assert run.data.tags["reason"] == "the disk is full"
    assert run.data.metrics["train_loss"] == math.pi


def test_an_interrupted_run_is_killed(chdir: Path) -> None:
    assert run_that_raises(chdir, KeyboardInterrupt()).info.status == "KILLED"


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("somewhere", "tracking.uri: expected sqlite:///FILE"),
        ("./mlruns", "tracking.uri: expected sqlite:///FILE"),
        ("http://127.0.0.1:9", "no answer from the MLflow server at http://127.0.0.1:9"),
        ("http://user:secret@127.0.0.1:9", "no answer from the MLflow server at http://127.0.0.1"),
        ("sqlite:////nowhere/at/all.db", "expected an existing folder for the database"),
        ("sqlite:///:memory:", "expected sqlite:///FILE, which is kept after the run"),
        ("sqlite:////etc", "expected an SQLite database"),
        (f"sqlite:///{__file__}", "expected an SQLite database"),
        ("mssql://127.0.0.1/x", "expected the driver pyodbc to be installed"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused(uri: str, complaint: str) -> None:
    with pytest.raises(TrackingError, match=complaint):
        check_tracking(MlflowTracking(type="mlflow", uri=uri))


def test_an_experiment_that_was_deleted_is_told(chdir: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{chdir}/mlflow.db")
    client.delete_experiment(client.create_experiment("gone"))
    config = MlflowTracking(type="mlflow", experiment="gone")
    with pytest.raises(TrackingError, match="'gone'.*deleted"), run_context(config, "x"):
        pass


def test_a_server_that_never_answers_is_given_up_after_3_seconds() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TrackingError, match=f"{uri} .*timed out"):
            check_tracking(MlflowTracking(type="mlflow", uri=uri))


def test_metrics_stay_buffered_when_sending_them_fails(chdir: Path) -> None:
    from unittest.mock import patch

    config = MlflowTracking(type="mlflow")
    with run_context(config, "unlucky") as tracker:
        tracker.log_metrics({"train_loss": 2.5}, step=1)
        with (
            patch.object(mlflow.MlflowClient, "log_batch", side_effect=OSError("no space")),
            pytest.raises(OSError, match="no space"),
        ):
            tracker.flush()  # type: ignore[attr-defined]
    assert tracker.run_id is not None
    client = mlflow.MlflowClient(f"sqlite:///{chdir}/mlflow.db")
    assert client.get_run(tracker.run_id).data.metrics == {"train_loss": 2.5}


def test_a_store_that_fails_at_the_end_does_not_hide_why_the_run_failed(
    chdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from unittest.mock import patch

    with (
        patch.object(mlflow.MlflowClient, "log_batch", side_effect=OSError("no space")),
        pytest.raises(RuntimeError, match="the training failed"),
        run_context(MlflowTracking(type="mlflow"), "unlucky"),
    ):
        raise RuntimeError("the training failed")
    assert "could not be closed: no space" in capsys.readouterr().err
