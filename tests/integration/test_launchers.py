"""Sweeps through real launchers: failing jobs, interruptions, killed processes, resuming."""

import os
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from support import QUICK, start_command

from mnistexp.tracking.store_set_up import needs_set_up
from mnistexp.train.checkpoint import CheckpointFolder

pytestmark = pytest.mark.integration

LAUNCHERS = ["basic", "processes", "slurm_local", "ray_cluster"]
SLOW = [
    "model=conv_big",
    "data.train_size=2000",
    "data.test_slice=[0,1000]",
    "train.steps=300",
    "train.evaluate_every=10 steps",
]
"""Settings of a training that takes about five seconds on two idle cores."""


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out + err


def runs_in(folder: Path, where: str = "") -> list[Run]:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return list(client.search_runs(["1"], where, order_by=["attributes.start_time ASC"]))


def the_sweep(folder: Path) -> Run:
    (sweep,) = runs_in(folder, "tags.kind = 'sweep'")
    return sweep


def children_in(folder: Path) -> list[Run]:
    sweep = the_sweep(folder)
    return runs_in(folder, f"tags.`mlflow.parentRunId` = '{sweep.info.run_id}'")


def wait_for(folder: Path, status: str, count: int) -> list[Run]:
    """Wait until at least `count` children have the status, and return them."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if needs_set_up(folder / "mlflow.db"):
            continue  # MLflow's client would set the store up too, and the sweep would refuse it.
        try:
            found = [run for run in children_in(folder) if run.info.status == status]
        except (ValueError, mlflow.exceptions.MlflowException):
            continue  # Another process creates the store.
        if len(found) >= count and all(run.data.tags.get("config_hash") for run in found):
            return found
    pytest.fail(f"expected {count} {status} jobs")


def cut_after_checkpoint(folder: Path, before: int) -> set[str]:
    """Return the ids of the children in training whose last checkpoint lies before a step."""
    return {
        run.info.run_id
        for run in children_in(folder)
        if run.info.status == "RUNNING"
        and "checkpoints" in run.data.tags
        and 0 < CheckpointFolder(Path(run.data.tags["checkpoints"])).last_step < before
    }


def test_equal_hashes_of_workers_and_single_runs_mean_equal_weights(tmp_path: Path) -> None:
    settings = [*QUICK, "model=conv", "train.steps=20", "tracking.log_model=false"]
    processes = ["-m", "hydra/launcher=processes", "hydra.launcher.n_jobs=2", "seed=3,4"]
    assert finish(start_command(tmp_path, *processes, *settings))[0] == 0
    (worker,) = runs_in(tmp_path, "params.seed = '3'")
    threads = int(worker.data.tags["threads"])
    for number in (threads, threads + 1):
        single = [*settings, "seed=3", f"device.threads={number}"]
        assert finish(start_command(tmp_path, *single))[0] == 0
    _, *singles = runs_in(tmp_path, "params.seed = '3'")
    for name in ("config_hash", "weights_sha256"):
        same, other = [run.data.tags[name] for run in singles]
        assert same == worker.data.tags[name]
        assert other != worker.data.tags[name]
    out = finish(start_command(tmp_path, *processes, *settings))[1]
    assert "2 jobs, 2 finished earlier" in out


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_runs_all_jobs_and_another_one_continues(tmp_path: Path, launcher: str) -> None:
    arguments = [f"hydra/launcher={launcher}", "model=two_layers", *QUICK]
    arguments += ["optim.learning_rate=0.1,1e30,0.2"]
    code, out = finish(start_command(tmp_path, "-m", *arguments))
    assert code == 1, out
    assert out.count("✓") == 2
    assert "failed: the loss became" in out
    sweep = the_sweep(tmp_path)
    statuses = [run.info.status for run in children_in(tmp_path)]
    assert sorted(statuses) == ["FAILED", "FINISHED", "FINISHED"]
    counts = {name: sweep.data.metrics[f"num_{name}"] for name in ("finished", "failed", "left")}
    assert counts == {"finished": 2, "failed": 1, "left": 0}

    # The other launcher runs only the failed job.
    code, out = finish(start_command(tmp_path, "-m", *arguments[1:]))
    assert "3 jobs, 2 finished earlier, 1 to run" in out
    assert len(children_in(tmp_path)) == 4


def test_a_killed_worker_fails_only_its_own_job(tmp_path: Path) -> None:
    process = start_command(tmp_path, "-m", "hydra/launcher=processes", "seed=0,1,2,3", *SLOW)
    victim = wait_for(tmp_path, "RUNNING", 1)[0]
    os.kill(int(victim.data.tags["process"].rpartition(":")[2]), signal.SIGKILL)
    code, out = finish(process)
    assert code == 1, out
    assert "its process ended" in out
    runs = {run.info.run_id: run for run in children_in(tmp_path)}
    # The sweep or the tracking process of the worker closes it, whichever notices first.
    assert runs[victim.info.run_id].info.status in ("FAILED", "KILLED")
    assert the_sweep(tmp_path).data.metrics["num_finished"] >= 2
    assert the_sweep(tmp_path).data.metrics["num_left"] == 0


@pytest.mark.parametrize("launcher", ["basic", "processes", "slurm_local"])
def test_ctrl_c_closes_the_sweep_and_its_jobs(tmp_path: Path, launcher: str) -> None:
    arguments = ["-m", f"hydra/launcher={launcher}", "seed=0,1,2", *SLOW]
    process = start_command(tmp_path, *arguments)
    wait_for(tmp_path, "RUNNING", 1)
    os.killpg(process.pid, signal.SIGINT)
    code, out = finish(process)
    assert code == 130, out
    if launcher != "slurm_local":  # submitit's own processes print theirs.
        assert "Traceback" not in out
    sweep = the_sweep(tmp_path)
    assert sweep.info.status == "KILLED"
    assert sweep.data.metrics["num_left"] > 0
    time.sleep(2)
    assert {run.info.status for run in children_in(tmp_path)} <= {"KILLED", "FINISHED"}

    # The repeated command runs the other jobs in the same sweep run.
    code, out = finish(start_command(tmp_path, *arguments, "train.steps=300"))
    assert code == 0, out
    assert the_sweep(tmp_path).info.status == "FINISHED"
    assert the_sweep(tmp_path).data.metrics["num_finished"] == 3


@pytest.mark.parametrize("launcher", ["basic", "processes"])
def test_a_killed_sweep_continues_in_its_run(tmp_path: Path, launcher: str) -> None:
    arguments = ["-m", f"hydra/launcher={launcher}", "seed=0,1,2,3", *SLOW]
    arguments.append("train.checkpoint_every=20")
    process = start_command(tmp_path, *arguments)
    wait_for(tmp_path, "FINISHED", 1)
    # A job near its end would be finished by its tracking process.
    while not (cut := cut_after_checkpoint(tmp_path, before=150)):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # Its tracking process sends what is left, and closes the runs.
    for _ in range(120):
        if the_sweep(tmp_path).info.status != "RUNNING":
            break
        time.sleep(0.5)
    assert the_sweep(tmp_path).info.status == "KILLED"
    done = [run for run in children_in(tmp_path) if run.info.status == "FINISHED"]

    code, out = finish(start_command(tmp_path, *arguments))
    assert code == 0, out
    assert f"4 jobs, {len(done)} finished earlier, {4 - len(done)} to run" in out
    sweep = the_sweep(tmp_path)
    assert sweep.info.status == "FINISHED"
    assert sweep.data.metrics["num_finished"] == 4
    finished = [run for run in children_in(tmp_path) if run.info.status == "FINISHED"]
    assert len(finished) == 4
    assert {run.info.run_id for run in done} <= {run.info.run_id for run in finished}
    # A job that had a checkpoint goes on in its run; no step is trained or recorded twice.
    assert cut <= {run.info.run_id for run in finished}
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    for run_id in cut:
        steps = [point.step for point in client.get_metric_history(run_id, "train_loss")]
        assert steps == sorted(set(steps))
        assert steps[-1] == 300
    assert "continuing after step" in out + "".join(
        file.read_text() for file in tmp_path.glob("runs/*/*/log.txt")
    )


def test_workers_end_with_a_killed_sweep(tmp_path: Path) -> None:
    arguments = ["-m", "hydra/launcher=processes", "seed=range(8)", *SLOW]
    process = start_command(tmp_path, *arguments)
    running = wait_for(tmp_path, "RUNNING", 2)
    process.kill()  # Not the workers.
    process.communicate()
    workers = {int(run.data.tags["process"].rpartition(":")[2]) for run in running}
    for _ in range(120):
        workers = {pid for pid in workers if Path(f"/proc/{pid}").exists()}
        if not workers:
            break
        time.sleep(0.5)
    assert not workers
    children = children_in(tmp_path)
    assert "RUNNING" not in {run.info.status for run in children}
    assert len(children) <= 4, "queued jobs were started"


def test_the_same_sweep_started_twice_does_each_job_once(tmp_path: Path) -> None:
    finish(start_command(tmp_path, *QUICK))  # Both find a store.
    arguments = ["-m", "seed=range(1,5)", *QUICK, "tracking.log_model=false"]
    processes = [start_command(tmp_path, *arguments) for _ in range(2)]
    results = [finish(process) for process in processes]
    assert sorted(code for code, _ in results) == [0, 2], results
    refused = next(out for code, out in results if code == 2)
    assert "expected that this sweep is not running" in refused
    hashes = [run.data.tags["config_hash"] for run in children_in(tmp_path)]
    assert len(hashes) == len(set(hashes)) == 4


def test_threads_can_be_swept_with_a_process_per_job(tmp_path: Path) -> None:
    arguments = ["-m", "hydra/launcher=slurm_local", "device.threads=1,2", "device.onednn=on,off"]
    code, out = finish(start_command(tmp_path, *arguments, *QUICK))
    assert code == 0, out
    assert len(children_in(tmp_path)) == 4


def test_the_output_of_workers_is_in_the_folders_of_their_jobs(tmp_path: Path) -> None:
    code, out = finish(
        start_command(tmp_path, "-m", "hydra/launcher=processes", "seed=0,1", *QUICK)
    )
    assert code == 0, out
    assert "step 20/20" not in out
    logs = list(tmp_path.glob("runs/*/*/log.txt"))
    assert len(logs) == 2
    assert all("step 20/20" in log.read_text() for log in logs)


def test_eight_parallel_runs_on_a_new_store(tmp_path: Path) -> None:
    processes = [start_command(tmp_path, f"seed={seed}", *QUICK) for seed in range(8)]
    assert [finish(process)[0] for process in processes] == [0] * 8
    assert [run.info.status for run in runs_in(tmp_path)] == ["FINISHED"] * 8
