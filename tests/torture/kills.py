"""Kill trainings at random moments; once continued, they must end as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import Run
from support import start_command

from torture.counts import Counts

TIMEOUT_SECONDS = 300
TRAINING_SECONDS = 6.0
"""About the duration of the training steps of each network."""
STOP_IN_WRITING = """
import os, signal, sys
from mnistexp.cli import main
from mnistexp.train import checkpoint

class KilledInSecondWriting:
    def __init__(self): self.count, self.write = 0, checkpoint.write_whole
    def __call__(self, *arguments, **options):
        self.count += 1
        if self.count == 2: os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        self.write(*arguments, **options)

checkpoint.write_whole = KilledInSecondWriting()
sys.argv[0] = "mnistexp"
main()
"""
"""A program that is killed when its second checkpoint is written but not renamed yet."""
MODES = ("once", "twice", "in writing")
COMMON = ("tracking.figures=false", "train.log_every=20", "data.train_size=5000")
NETWORKS: Mapping[str, Sequence[str]] = {
    "dropout": ("model=five_layers_dropout", "optim=adam", "train.steps=1500"),
    "batch_norm": ("model=conv_batchnorm", "optim=momentum", "train.steps=300"),
    "softmax": (
        *("model=softmax", "optim=adam", "train.steps=4000", "dashboard=record"),
        "train.restore_best_weights=val_accuracy",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What must be equal: the weights, and every point of every metric but times and memory."""

    status: str
    weights: str
    points: Mapping[str, Sequence[tuple[int, float]]]


def kill_trainings(number: int, seed: int = 0) -> Counts:
    """Kill trainings of several networks in turn, and continue them until they finish.

    One of three is killed once, one twice, and one while it writes a checkpoint.
    """
    generator = random.Random(seed)
    lost = []
    with TemporaryDirectory() as folder:
        expected: dict[str, Outcome] = {}
        for index in range(number):
            name = list(NETWORKS)[index % len(NETWORKS)]
            if name not in expected:
                expected[name] = _train_whole(Path(folder), name)
            fault = _kill_one(Path(folder), name, index, generator, expected[name])
            print(f"kill {index + 1} of {number}, {name}: {fault or 'identical'}", flush=True)
            if fault:
                lost.append(f"try {index} ({name}): {fault}")
    return Counts("trainings killed by SIGKILL, once or twice, and continued", number, tuple(lost))


def _train_whole(folder: Path, name: str) -> Outcome:
    run_name = f"{name}-whole"
    _run(folder, *_arguments(name, run_name))
    return _outcome(folder, run_name)


def _kill_one(
    folder: Path, name: str, index: int, generator: random.Random, expected: Outcome
) -> str:
    """Return what is wrong after kills and continuations; an empty text if nothing is."""
    run_name = f"{name}-{index}"
    arguments = _arguments(name, run_name)
    mode = MODES[(index + index // len(NETWORKS)) % len(MODES)]
    if mode == "in writing":
        process = _start_program(folder, STOP_IN_WRITING, *arguments)
        process.communicate(timeout=TIMEOUT_SECONDS)
    else:
        _kill_after_a_checkpoint(folder, generator.uniform(0, TRAINING_SECONDS), *arguments)
    run_id = _newest_run(folder, run_name).info.run_id
    if mode == "twice":
        _kill_after_a_checkpoint(folder, generator.uniform(0, TRAINING_SECONDS), "resume", run_id)
    if _outcome(folder, run_name).status != "FINISHED":
        error = _run(folder, "resume", run_id)
        if error:
            return error
    return _difference(_outcome(folder, run_name), expected)


def _arguments(name: str, run_name: str) -> list[str]:
    interval = "train.checkpoint_every=50 steps"
    return [*NETWORKS[name], *COMMON, interval, f"tracking.run_name={run_name}"]


def _run(folder: Path, *arguments: str) -> str:
    """Run a command, and return its error output if it has failed."""
    process = start_command(folder, *arguments)
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return err if process.returncode else ""


def _start_program(folder: Path, program: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill_after_a_checkpoint(folder: Path, delay: float, *arguments: str) -> None:
    """Start a command, wait until it writes a checkpoint and some time more, and kill it."""
    before = set(_checkpoints(folder))
    process = start_command(folder, *arguments)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while process.poll() is None and set(_checkpoints(folder)) <= before:
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.01)
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)


def _checkpoints(folder: Path) -> Iterator[Path]:
    return folder.glob("runs/*/checkpoints-*/*.checkpoint")


def _newest_run(folder: Path, run_name: str) -> Run:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(ids, f"attributes.run_name = '{run_name}'")[0]


def _outcome(folder: Path, run_name: str) -> Outcome:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run = _newest_run(folder, run_name)
    points = {
        name: sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
        if not name.startswith("system/")
    }
    return Outcome(run.info.status, run.data.tags.get("weights_sha256", ""), points)


def _difference(found: Outcome, expected: Outcome) -> str:
    if found.status != expected.status or found.weights != expected.weights:
        return f"{found.status}, weights {found.weights[:8]}, expected {expected.weights[:8]}"
    names = {*found.points, *expected.points}
    differing = [n for n in sorted(names) if found.points.get(n) != expected.points.get(n)]
    return f"other metrics: {', '.join(differing)}" if differing else ""
