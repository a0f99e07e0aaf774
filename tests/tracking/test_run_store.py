"""Reading a store: the records equal those of MLflow's own client, and nothing is changed."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import mlflow
import pytest
import sqlalchemy
from sqlalchemy.engine import Engine
from support import TrackedRun

from mnistexp.errors import TrackingError
from mnistexp.tracking import MlflowTracking, RunStore, run_context
from mnistexp.tracking.metric_names import metric_name

NUM_RUNS = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of 50 runs that have two metrics of three values."""
    folder = tmp_path_factory.mktemp("store")
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    location = f"file://{folder}/mlruns"
    experiment = client.create_experiment("mnistexp", artifact_location=location)
    for number in range(NUM_RUNS):
        run = client.create_run(experiment, run_name=f"run{number}").info.run_id
        for step in (20, 10, 30):
            client.log_metric(run, "train_loss", step / 10 + number, step=step)
            client.log_metric(run, "train_accuracy", 0.5, step=step)
        client.log_text(run, f"seed: {number}", "config.yaml")
        client.set_terminated(run)
    return folder


def store_in(folder: Path, experiment: str = "mnistexp") -> RunStore:
    uri = f"sqlite:///{folder}/mlflow.db"
    return RunStore(MlflowTracking(type="mlflow", uri=uri, experiment=experiment))


def contents(folder: Path) -> dict[Path, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Yield a list, to which all SQL statements within the context are added."""
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(Engine, "before_cursor_execute", count)
    yield statements
    sqlalchemy.event.remove(Engine, "before_cursor_execute", count)


def test_a_record_equals_the_run_of_mlflow(two_layers_run: TrackedRun) -> None:
    uri = f"sqlite:///{two_layers_run.folder}/mlflow.db"
    (record,) = RunStore(MlflowTracking(type="mlflow", uri=uri)).runs()
    run = two_layers_run.client.get_run(two_layers_run.run.info.run_id)
    assert (record.run_id, record.name) == (run.info.run_id, run.info.run_name)
    assert (record.status, record.parent) == ("FINISHED", None)
    assert record.params == run.data.params
    assert record.metrics == {metric_name(key): run.data.metrics[key] for key in run.data.metrics}
    assert record.metrics["num_parameters"] == 159_010
    assert record.tags == run.data.tags
    assert record.model_id == run.outputs.model_outputs[0].model_id
    assert record.values["optim.learning_rate"] == 0.0031
    assert record.values["tags.purpose"] == "testing"


def test_reading_changes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/other.db")
    before = contents(folder), dict(os.environ), mlflow.get_tracking_uri()
    store = store_in(folder)
    (run, *_), running = store.runs(), store.running()
    assert running == []
    assert store.run(run.run_id) == run
    assert store.run("0" * 32) is None
    assert store.histories([run.run_id], ["train_loss"])
    assert store.artifact(run.run_id, "config.yaml") == b"seed: 0"
    assert store.artifact(run.run_id, "other.yaml") is None
    assert (contents(folder), dict(os.environ), mlflow.get_tracking_uri()) == before
    assert list(tmp_path.iterdir()) == []


def test_reading_takes_no_lock(folder: Path) -> None:
    with patch("filelock.FileLock", side_effect=AssertionError("a lock was taken")):
        assert len(store_in(folder).runs()) == NUM_RUNS


def test_a_file_that_may_only_be_read_is_read(folder: Path) -> None:
    file = folder / "mlflow.db"
    file.chmod(0o444)
    try:
        assert len(store_in(folder).runs()) == NUM_RUNS
    finally:
        file.chmod(0o644)


def test_histories_of_many_runs_need_few_queries(folder: Path) -> None:
    store = store_in(folder)
    ids = [run.run_id for run in store.runs()]
    with counted_statements() as statements:
        histories = store.histories(ids, ["train_loss", "train_accuracy"])
    assert len(statements) <= 10
    assert set(histories["train_loss"]) == set(ids)
    assert histories["train_loss"][ids[7]] == [(10, 8.0), (20, 9.0), (30, 10.0)]


def test_another_thread_reads_while_a_run_is_open(tmp_path: Path) -> None:
    config = MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/mlflow.db")
    found: list[str] = []
    uri = mlflow.get_tracking_uri()
    with run_context(config, "open") as tracker:
        thread = threading.Thread(
            target=lambda: found.extend(run.status for run in store_in(tmp_path).runs())
        )
        thread.start()
        thread.join()
        assert found == ["RUNNING"]
        assert mlflow.get_tracking_uri() == uri
        tracker.log_metrics({"train_loss": 1.0}, step=1)
    (run,) = store_in(tmp_path).runs()
    assert (run.status, run.metrics) == ("FINISHED", {"train_loss": 1.0})


def test_the_write_of_a_killed_process_is_undone_before_reading(tmp_path: Path) -> None:
    """SQLite needs write access to roll a journal back; a read-only connection would fail."""
    import sqlite3

    with run_context(MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/a.db"), "whole"):
        pass
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")  # So that the write reaches the file at once.
    connection.execute("BEGIN")
    connection.execute("UPDATE runs SET name = 'half' || hex(zeroblob(20000))")
    for suffix in ("", "-journal"):
        (tmp_path / f"mlflow.db{suffix}").write_bytes((tmp_path / f"a.db{suffix}").read_bytes())
    connection.close()
    (run,) = store_in(tmp_path).runs()
    assert run.name == "whole"


def test_a_store_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert not store.exists
    assert store.runs(missing_ok=True) == []
    with pytest.raises(TrackingError, match=r"mlflow\.db, which does not exist"):
        store.runs()
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_does_not_exist_is_reported_with_the_nearest_name(folder: Path) -> None:
    store = store_in(folder, experiment="mnistex")
    assert store.runs(missing_ok=True) == []
    with pytest.raises(TrackingError, match="'mnistex'. Did you mean mnistexp"):
        store.runs()


def test_a_database_without_the_tables_of_mlflow_is_refused_and_not_changed(tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE other (x)")
    connection.commit()
    connection.close()
    before = contents(tmp_path)
    with pytest.raises(TrackingError, match="its tables are not those of this MLflow version"):
        store_in(tmp_path).runs()
    assert contents(tmp_path) == before


def test_a_store_that_is_read_only_is_read(copied_store: Path) -> None:
    """Checked as another user than root, because root can write every file."""
    copied_store.chmod(0o444)
    for folder in (copied_store.parent, *copied_store.parent.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o555)
    ours = os.getuid()
    if ours == 0:
        os.seteuid(65534)
    try:
        (run,) = RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{copied_store}")).runs()
    finally:
        if ours == 0:
            os.seteuid(0)
    assert run.status == "FINISHED"
