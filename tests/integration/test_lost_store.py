"""Trainings whose store fails, or that are killed: nothing is lost, and nothing is stored twice."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from support import finish, start_command

from mnistexp.tracking.journal import find_journals, read_records

pytestmark = pytest.mark.integration
TRAINING = [
    *("model=conv_big", "data.train_size=2000", "train.steps=250", "train.log_every=5"),
    *("tracking.figures=false", "tracking.uri=sqlite:///mlflow.db"),
]
DIFFERENT = ("seconds", "images_per_second", "memory")
"""Parts of the names of metrics that differ between equal runs."""
LOCKED_SECONDS = 25
"""Longer than the 20 seconds that MLflow itself waits for a locked database."""


def start_training(folder: Path) -> "subprocess.Popen[str]":
    """Start a training, and wait until it has recorded some metrics."""
    process = start_command(folder, *TRAINING)
    for _ in range(1200):
        time.sleep(0.1)
        for journal in find_journals(folder / "runs"):
            types = [record["type"] for record in read_records(journal).records]
            if types.count("metrics") > 10 and (journal / "sent.json").exists():
                return process
    process.kill()
    pytest.fail("no metrics within two minutes")


def sync(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mnistexp", "sync"], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def only_run(folder: Path) -> Run:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("mnistexp").experiment_id])
    return run


def histories(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every (step, value) of each metric that is equal in equal runs."""
    client, run = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db"), only_run(folder)
    return {
        name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
        if not any(part in name for part in DIFFERENT)
    }


def artifacts(folder: Path) -> set[str]:
    location = Path(only_run(folder).info.artifact_uri.removeprefix("file://"))
    return {str(path.relative_to(location)) for path in location.rglob("*")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose store did not fail."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start_command(folder, *TRAINING))
    return folder


def assert_equals(folder: Path, undisturbed: Path) -> None:
    """Check that the store has the same run, with every value once, and that no journal is left."""
    run, expected = only_run(folder), only_run(undisturbed)
    assert run.info.status == "FINISHED"
    assert run.data.params == expected.data.params
    assert set(run.data.tags) == set(expected.data.tags)
    for name in ("weights_sha256", "config_hash"):
        assert run.data.tags[name] == expected.data.tags[name]
    assert histories(folder) == histories(undisturbed)
    assert artifacts(folder) == artifacts(undisturbed)
    assert len(run.outputs.model_outputs) == len(expected.outputs.model_outputs) == 1
    assert find_journals(folder / "runs") == []


def test_a_locked_database(tmp_path: Path, undisturbed: Path) -> None:
    process = start_training(tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCKED_SECONDS)
        connection.rollback()
    err = finish(process)
    if "mnistexp sync sends what is left" in err:  # The training may have ended long before.
        sync(tmp_path)
    assert_equals(tmp_path, undisturbed)


def test_a_deleted_database(tmp_path: Path, undisturbed: Path) -> None:
    process = start_training(tmp_path)
    (tmp_path / "mlflow.db").unlink()
    assert finish(process) == ""
    assert_equals(tmp_path, undisturbed)


def test_a_database_that_is_away_until_after_the_end(tmp_path: Path, undisturbed: Path) -> None:
    process = start_training(tmp_path)
    (tmp_path / "mlflow.db").rename(tmp_path / "away.db")
    (tmp_path / "mlflow.db").mkdir()
    err = finish(process)
    assert "Its record is in" in err
    (tmp_path / "mlflow.db").rmdir()
    (tmp_path / "away.db").rename(tmp_path / "mlflow.db")
    sync(tmp_path)
    assert_equals(tmp_path, undisturbed)


def test_a_killed_training_is_closed_with_all_that_it_recorded(tmp_path: Path) -> None:
    process = start_training(tmp_path)
    (journal,) = find_journals(tmp_path / "runs")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    recorded = _losses(journal)
    for _ in range(600):
        if not find_journals(tmp_path / "runs"):
            break
        time.sleep(0.1)
    run = only_run(tmp_path)
    assert run.info.status == "KILLED"
    assert "its process ended without closing it" in run.data.tags["reason"]
    assert dict(histories(tmp_path)["train_loss"]) == recorded


def _losses(journal: Path) -> Mapping[int, float]:
    return {
        record["step"]: record["values"]["train_loss"]
        for record in read_records(journal).records
        if record["type"] == "metrics" and "train_loss" in record["values"]
    }
