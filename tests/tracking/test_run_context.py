"""A run from its start to its end: its status, its reason, and errors of the store."""

import math
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from mnistexp.config.compose import compose_config
from mnistexp.errors import StoreError, TrackingError
from mnistexp.experiment import run_experiment
from mnistexp.signals import Terminated
from mnistexp.tracking import MlflowTracking, journal, run_context, tracking_uri
from mnistexp.tracking.journal import find_journals
from mnistexp.tracking.store import SQLITE_HEADER
from mnistexp.tracking.tracking_process import TrackingProcess

CONFIG = MlflowTracking(type="mlflow")
OFFLINE = MlflowTracking(type="mlflow", offline=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test. Its store is created by the first run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_that_raises(folder: Path, error: BaseException) -> Run:
    uri = f"sqlite:///{folder}/mlflow.db"
    with (
        pytest.raises(type(error)),
        run_context(MlflowTracking(type="mlflow", uri=uri), "run") as tracker,
    ):
        tracker.log_metrics({"train_loss": math.pi}, step=7)
        raise error
    assert tracker.run_id is not None
    return mlflow.MlflowClient(uri).get_run(tracker.run_id)


def test_a_failed_run_has_the_reason_as_a_tag_and_keeps_its_metrics(folder: Path) -> None:
    run = run_that_raises(folder, RuntimeError("the disk is full"))
    assert run.info.status == "FAILED"
    assert run.data.tags["reason"] == "the disk is full"
    assert run.data.tags["mlflow.note.content"].startswith("**Failed:** the disk is full\n")
    assert run.data.metrics["train_loss"] == math.pi


def test_an_interrupted_run_is_killed(folder: Path) -> None:
    run = run_that_raises(folder, KeyboardInterrupt())
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "Ctrl-C")
    run = run_that_raises(folder, Terminated())
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "SIGTERM")


def test_a_run_that_is_interrupted_while_the_store_is_opened_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_first_report = TrackingProcess.wait_for_first_report

    def wait_and_interrupt(process: TrackingProcess, journal: Path) -> None:
        wait_for_first_report(process, journal)
        raise KeyboardInterrupt

    monkeypatch.setattr(TrackingProcess, "wait_for_first_report", wait_and_interrupt)
    with pytest.raises(KeyboardInterrupt), run_context(CONFIG, "run"):
        pass
    (run,) = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"])
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "Ctrl-C")
    assert find_journals(folder / "runs") == []


def fail_to_write(*_: object) -> None:
    """What the system does on a full disk."""
    raise OSError(28, "No space left on device")


def test_a_full_disk_does_not_hide_why_the_run_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="the training failed"), run_context(OFFLINE, "run"):
        monkeypatch.setattr(journal, "append_whole", fail_to_write)
        raise RuntimeError("the training failed")
    assert "could not be closed: " in capsys.readouterr().err


def test_a_run_whose_end_does_not_fit_on_the_disk_fails_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        pytest.raises(StoreError, match=r"space.*Received: No space left on device.*mnistexp sync"),
        run_context(OFFLINE, "run"),
    ):
        monkeypatch.setattr(journal, "append_whole", fail_to_write)


def test_a_database_that_fails_during_a_run_does_not_stop_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mnistexp.tracking.tracking_process.GIVE_UP_SECONDS", 0)
    with run_context(CONFIG, "short") as tracker:
        with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
            connection.execute("DROP TABLE metrics")
        tracker.log_metrics({"train_loss": 1.0}, step=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        "tracking: the run is not in the store: .*no such table.* Its record is in .*/journal. "
        "mnistexp sync sends what is left",
        line,
    )
    assert len(find_journals(folder / "runs")) == 1


def test_a_run_with_a_mistake_in_the_store_is_refused_and_leaves_nothing(folder: Path) -> None:
    (folder / "mlflow.db").write_bytes(SQLITE_HEADER + b"no database" * 1000)
    with pytest.raises(TrackingError, match="not a database"), run_context(CONFIG, "x"):
        pass
    assert find_journals(folder / "runs") == []


def test_the_traceback_of_an_unexpected_error_is_an_artifact_of_the_run(folder: Path) -> None:
    run = run_that_raises(folder, RuntimeError("the disk is full"))
    file = folder / "mlruns" / run.info.experiment_id / run.info.run_id / "artifacts/traceback.txt"
    assert "run_that_raises" in file.read_text()


def test_a_deleted_experiment_is_refused(folder: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    client.delete_experiment(client.create_experiment("deleted"))
    config = MlflowTracking(type="mlflow", experiment="deleted")
    with (
        pytest.raises(TrackingError, match="deleted experiment 'deleted'"),
        run_context(config, "x"),
    ):
        pass


def test_without_tracking_nothing_is_logged(folder: Path) -> None:
    config, _ = compose_config(["tracking=none", "train.steps=5", "data.train_size=1000"])
    result = run_experiment(config)
    assert result.run_id is None
    assert list(folder.iterdir()) == []


def test_mlflow_tracking_uri_names_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    config = MlflowTracking(type="mlflow")
    with run_context(config, "short") as tracker:
        pass
    assert tracker.run_id is not None
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/elsewhere.db")
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def test_a_run_does_not_change_the_environment(folder: Path) -> None:
    with run_context(MlflowTracking(type="mlflow", uri=f"sqlite:///{folder}/a.db"), "first"):
        pass
    assert tracking_uri() == f"sqlite:///{folder}/mlflow.db"


def test_the_default_store_is_that_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with run_context(CONFIG, name):
            pass
        assert (tmp_path / name / "mlflow.db").is_file()
