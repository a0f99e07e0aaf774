"""The tracking process goes on after requests that come too late, and after it was killed."""

import os
import signal
import time
from pathlib import Path

import mlflow
import pytest

from mnistexp.tracking import MlflowTracking, run_context, start_tracking_process
from mnistexp.tracking.journal import find_journals
from mnistexp.tracking.tracking_process import kill_tracking_process

CONFIG = MlflowTracking(type="mlflow")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test. An earlier test has left no tracking process."""
    kill_tracking_process()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def child_processes() -> set[int]:
    """Return the ids of the children of this process."""
    children: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        children |= {int(child) for child in file.read_text().split()}
    return children


def find_runs(folder: Path) -> dict[str, mlflow.entities.Run]:
    runs = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"])
    return {run.info.run_name or "": run for run in runs}


def test_a_request_for_a_journal_that_was_sent_and_removed_is_ignored(folder: Path) -> None:
    before = child_processes()
    with run_context(CONFIG, "first"):
        (journal,) = find_journals(folder / "runs")
    assert not journal.exists()
    process = start_tracking_process(CONFIG)
    assert process is not None
    (started,) = child_processes() - before
    process.send_now(journal.absolute(), CONFIG)
    with run_context(CONFIG, "second") as tracker:
        tracker.log_metrics({"train_loss": 1.5}, step=1)
    assert find_runs(folder)["second"].data.metrics == {"train_loss": 1.5}
    assert started in child_processes()


def test_a_tracking_process_that_was_killed_is_started_again(folder: Path) -> None:
    before = child_processes()
    with run_context(CONFIG, "sweep") as sweep:
        for child in child_processes() - before:
            os.kill(child, signal.SIGKILL)
        time.sleep(1)  # The end of its pipe is noticed in a thread.
        with run_context(CONFIG, "job", {"mlflow.parentRunId": sweep.reference}) as job:
            job.log_metrics({"train_loss": 2.5}, step=1)
        sweep.set_tags({"purpose": "test"})
    runs = find_runs(folder)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["job"].data.metrics == {"train_loss": 2.5}
    assert runs["job"].data.tags["mlflow.parentRunId"] == runs["sweep"].info.run_id
    assert runs["sweep"].data.tags["purpose"] == "test"
    assert find_journals(folder / "runs") == []
