"""Runs in processes of their own: interrupted, terminated, and in parallel."""

import re
import signal
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from support import QUICK, start_command

from mnistexp.tracking.store_set_up import needs_set_up

pytestmark = pytest.mark.integration

LONG = ["model=conv_big", "optim=adam", "train.steps=1000000", "train.log_every=10"]


def runs_in(folder: Path) -> list[Run]:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return list(client.search_runs(["1"]))


def wait_for_metrics(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(1)
        if not needs_set_up(folder / "mlflow.db") and (folder / "runs").exists():
            try:
                if any(run.data.metrics for run in runs_in(folder)):
                    return
            except mlflow.exceptions.MlflowException:
                continue  # Another process creates the store.
    pytest.fail("no metrics within two minutes")


@pytest.mark.parametrize(
    ("signal_number", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_an_interrupted_run_has_the_status_killed_and_keeps_its_metrics(
    tmp_path: Path, signal_number: signal.Signals, exit_code: int
) -> None:
    process = start_command(tmp_path, *LONG, "dashboard=record")
    wait_for_metrics(tmp_path)
    process.send_signal(signal_number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == exit_code
    (run,) = runs_in(tmp_path)
    assert run.info.status == "KILLED"
    assert run.data.metrics["train_loss"] > 0
    lines = [line for line in err.splitlines() if line != "stopping …"]
    message, ended, kept, hint = lines
    assert message == "interrupted"
    position = r"at step [\d,]+ of 1,000,000, epoch \d+/1819, train_loss \d.*"
    assert re.fullmatch(rf"Run conv_big-adam\S*-s0, id {run.info.run_id}, killed {position}", ended)
    assert run.data.tags["ended_at"] in ended
    assert f"checkpoint, recording (mnistexp watch {run.info.run_id[:8]})" in kept
    assert hint == f"To continue it: mnistexp resume {run.info.run_id[:8]}"
    assert len(list((tmp_path / "runs").glob("*/checkpoints-*/*.checkpoint"))) == 1


def test_six_parallel_runs_on_a_new_store_succeed(tmp_path: Path) -> None:
    processes = [start_command(tmp_path, *QUICK, f"seed={seed}") for seed in range(6)]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, outputs
    runs = runs_in(tmp_path)
    assert sorted(run.data.params["seed"] for run in runs) == list("012345")
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.data.metrics["test_accuracy"] > 0 for run in runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlruns", "runs"]
    assert len(list((tmp_path / "runs").iterdir())) == 6


def test_equal_seeds_give_equal_weights_in_two_processes(tmp_path: Path) -> None:
    for _ in range(2):
        process = start_command(tmp_path, "model=conv_big", "optim=adam", *QUICK)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    first, second = runs_in(tmp_path)
    assert first.data.tags["weights_sha256"] == second.data.tags["weights_sha256"]
    assert first.data.tags["config_hash"] == second.data.tags["config_hash"]
    assert first.data.metrics["test_loss"] == second.data.metrics["test_loss"]
