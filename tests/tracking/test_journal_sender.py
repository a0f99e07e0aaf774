"""A journal is sent as a whole and once, also after failures. Read by MLflow's own client."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from mnistexp.errors import TrackingError
from mnistexp.tracking import MlflowTracking
from mnistexp.tracking.journal import RECORDS_NAME
from mnistexp.tracking.journal_sender import (
    STATE_NAME,
    JournalSender,
    StoreConnection,
    StoreUnavailable,
)
from mnistexp.tracking.journal_tracker import JournalTracker
from mnistexp.tracking.mlflow_private import create_database

EXPERIMENT = "mnistexp"


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs. Creating one takes seconds, so the tests copy it."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    create_database(file)
    return file


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> str:
    """The address of a store without runs."""
    return f"sqlite:///{shutil.copy(empty_store, tmp_path)}"


@pytest.fixture
def tracker(uri: str, tmp_path: Path) -> JournalTracker:
    """A run that has recorded a setting, a tag, two metrics and an artifact."""
    config = MlflowTracking(type="mlflow", uri=uri)
    tracker = JournalTracker(tmp_path / "journal", config, "a_run", {"kind": "test"})
    tracker.log_params({"seed": 1})
    tracker.set_tags({"host": "here"})
    for step in (1, 2):
        tracker.log_metrics({"train_loss": 1 / step}, step)
    tracker.log_text("all well", "texts/note.txt")
    return tracker


def runs(uri: str) -> list[Run]:
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id]))


def assert_complete(uri: str, status: str = "FINISHED") -> None:
    """Check that the store has the run of `tracker` once, with each value once."""
    (run,) = runs(uri)
    client = mlflow.MlflowClient(uri)
    assert (run.info.run_name, run.info.status) == ("a_run", status)
    assert run.data.params == {"seed": "1"}
    assert (run.data.tags["kind"], run.data.tags["host"]) == ("test", "here")
    history = client.get_metric_history(run.info.run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 0.5)]
    file = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="texts/note.txt", tracking_uri=uri
    )
    assert Path(file).read_text() == "all well"


def test_a_running_run_is_sent_as_it_grows(tracker: JournalTracker, uri: str) -> None:
    sender = JournalSender(tracker.folder)
    assert sender.send_new() == 6
    assert_complete(uri, "RUNNING")
    assert sender.send_new() == 0
    tracker.end("FINISHED")
    assert sender.send_new() == 1
    assert sender.has_ended
    assert_complete(uri)


@pytest.mark.parametrize("method", ["log_batch", "log_artifact", "set_terminated"])
def test_what_a_failing_store_did_not_take_is_sent_again(
    method: str, tracker: JournalTracker, uri: str
) -> None:
    tracker.end("FINISHED")
    sender = JournalSender(tracker.folder)
    with (
        patch.object(mlflow.MlflowClient, method, side_effect=MlflowException("locked\nby x")),
        pytest.raises(StoreUnavailable, match=r"locked$"),
    ):
        sender.send_new()
    sender.send_new()
    assert_complete(uri)


def test_sending_everything_twice_changes_nothing(tracker: JournalTracker, uri: str) -> None:
    tracker.end("FINISHED")
    JournalSender(tracker.folder).send_new()
    file = tracker.folder / STATE_NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), "position": 0}))
    JournalSender(tracker.folder).send_new()
    assert_complete(uri)


def test_a_run_that_was_created_without_an_answer_is_found(
    tracker: JournalTracker, uri: str
) -> None:
    create: Callable[..., Run] = mlflow.MlflowClient.create_run

    def create_without_answer(*arguments: Any, **options: Any) -> Run:
        create(*arguments, **options)
        raise MlflowException("connection lost")

    tracker.end("FINISHED")
    with (
        patch.object(mlflow.MlflowClient, "create_run", create_without_answer),
        pytest.raises(StoreUnavailable),
    ):
        JournalSender(tracker.folder).send_new()
    JournalSender(tracker.folder).send_new()
    assert_complete(uri)


@pytest.mark.parametrize("is_new_process", [False, True])
def test_a_store_that_was_replaced_by_an_empty_one_gets_the_whole_run_again(
    is_new_process: bool, tracker: JournalTracker, uri: str, tmp_path: Path, empty_store: Path
) -> None:
    sender = JournalSender(tracker.folder)
    sender.send_new()
    (tmp_path / "mlflow.db").unlink()
    shutil.copy(empty_store, tmp_path)
    if is_new_process:
        assert sender.store.was_replaced()  # Like a new process, MLflow forgets the deleted file.
        sender = JournalSender(tracker.folder)
    tracker.end("FINISHED")
    sender.send_new()
    assert_complete(uri)


def test_a_refused_record_is_not_sent_again_and_again(tracker: JournalTracker) -> None:
    refusal = MlflowException("not like this", INVALID_PARAMETER_VALUE)
    tracker.end("FINISHED")
    with (
        patch.object(mlflow.MlflowClient, "log_batch", side_effect=refusal),
        pytest.raises(TrackingError, match="the store refuses the run: not like this"),
    ):
        JournalSender(tracker.folder).send_new()


def test_records_before_a_damaged_one_are_sent(tracker: JournalTracker, uri: str) -> None:
    tracker.end("FINISHED")
    file = tracker.folder / RECORDS_NAME
    file.write_bytes(file.read_bytes().replace(b'"step": 2', b'"step": 3'))
    with pytest.raises(TrackingError, match="checksum"):
        JournalSender(tracker.folder).send_new()
    (run,) = runs(uri)
    assert run.data.metrics == {"train_loss": 1.0}


def test_a_run_in_the_store_is_continued(tracker: JournalTracker, uri: str, tmp_path: Path) -> None:
    tracker.set_tags({"reason": "Ctrl-C"})
    tracker.end("KILLED")
    first = JournalSender(tracker.folder)
    first.send_new()
    config = MlflowTracking(type="mlflow", uri=uri)
    again = JournalTracker(
        tmp_path / "journal-2", config, "a_run", {"process": "b:1"}, resume=first.state.run_id
    )
    sender = JournalSender(again.folder)
    sender.send_new()
    (run,) = runs(uri)
    assert run.info.status == "RUNNING"
    assert (run.data.tags["reason"], run.data.tags["process"]) == ("", "b:1")
    again.end("FINISHED")
    sender.send_new()
    assert_complete(uri)


def test_more_values_than_mlflow_takes_at_once_are_sent(uri: str, tmp_path: Path) -> None:
    config = MlflowTracking(type="mlflow", uri=uri)
    tracker = JournalTracker(tmp_path / "journal", config, "large", {})
    tracker.log_params({f"p{number}": number for number in range(250)})
    tracker.set_tags({f"t{number}": number for number in range(250)})
    for step in range(2500):
        tracker.log_metrics({"train_loss": step}, step)
    tracker.end("FINISHED")
    JournalSender(tracker.folder).send_new()
    (run,) = runs(uri)
    assert len(run.data.params) == 250
    assert {f"t{number}" for number in range(250)} <= set(run.data.tags)
    history = mlflow.MlflowClient(uri).get_metric_history(run.info.run_id, "train_loss")
    assert [metric.step for metric in history] == list(range(2500))


def test_no_password_is_in_the_journal(tmp_path: Path) -> None:
    config = MlflowTracking(type="mlflow", uri="http://alice:p%40ss@example.org:5000")
    tracker = JournalTracker(tmp_path / "journal", config, "a_run", {})
    tracker.end("FINISHED")
    text = (tracker.folder / RECORDS_NAME).read_text()
    assert "http://example.org:5000" in text
    assert "p%40ss" not in text
    assert "alice" not in text


def test_a_missing_store_is_not_created_before_a_run_starts(tmp_path: Path) -> None:
    """A network that does not fit is refused while the tracking process starts."""
    StoreConnection(f"sqlite:///{tmp_path}/mlflow.db", EXPERIMENT).open_existing()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_store_is_opened_before_a_run_starts(uri: str) -> None:
    StoreConnection(uri, EXPERIMENT).open_existing()
    assert mlflow.MlflowClient(uri).get_experiment_by_name(EXPERIMENT) is not None
