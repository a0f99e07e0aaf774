"""Helpers that several tests use: commands in this or another process, servers, and ports."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.request import urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra
from mlflow.entities import Run

from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed
from mnistexp.augmentation import build_augmentation
from mnistexp.cli import main
from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.data import Data
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.model import NetworkConfig, build_model
from mnistexp.optim import build_optimizer, build_schedule
from mnistexp.train import (
    Checkpoint,
    CheckpointFolder,
    Checkpoints,
    LogMetrics,
    Monitors,
    SnapshotRecorder,
    TrainingResult,
    fit,
)

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

FEW_STEPS = ["data.train_size=2000", "train.steps=20"]
"""Settings of a training that takes less than a second."""
QUICK = [*FEW_STEPS, "tracking.figures=false"]
"""The same without figures, which take longer than such a training."""
CHROMIUM = Path("/usr/bin/chromium")


@dataclass(frozen=True)
class CommandResult:
    """The exit code of a command and its output."""

    exit_code: int
    out: str
    err: str


Command = Callable[..., CommandResult]


def train_untracked(*overrides: str) -> RunResult:
    """Train a configuration without tracking, and return the result."""
    return run_experiment(*compose_config([*overrides, "tracking=none"]))


def run_command(*arguments: str) -> int:
    """Run `mnistexp` in this process and working folder, and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mnistexp", *arguments])
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
        finally:
            GlobalHydra.instance().clear()
    return 0


def write_user_experiment(folder: Path, name: str, text: str) -> None:
    """Write the experiment `user=NAME` into a working folder."""
    write_option(folder, f"user/{name}", f"# @package _global_\n{text}", root="experiments")


def write_option(folder: Path, name: str, text: str, root: str = "conf") -> None:
    """Write an option, `model/mine`, into a working folder."""
    file = folder / root / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def start_command(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start `mnistexp` in a process, and a process group, of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "mnistexp", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Tests send Ctrl-C to the whole group.
        preexec_fn=_restore_ctrl_c,
    )


def _restore_ctrl_c() -> None:
    """Undo what a shell does to background jobs: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def network_config(*overrides: str) -> NetworkConfig:
    """Compose overrides and return the model section, which must be a network."""
    model = compose_config(list(overrides))[0].model
    assert isinstance(model, NetworkConfig)
    return model


def build_optimization(
    config: Config, num_images: int
) -> "tuple[keras.optimizers.Optimizer, float | keras.optimizers.schedules.LearningRateSchedule]":
    """Build the optimizer of a config and its schedule, for a training on `num_images` images."""
    schedule = build_schedule(
        config.optim.decay,
        config.optim.learning_rate,
        num_steps=config.train.num_steps(num_images),
        steps_per_epoch=num_images / config.train.batch_size,
    )
    return build_optimizer(config.optim, schedule), schedule


def train_network(
    data: Data,
    *overrides: str,
    recorder: SnapshotRecorder | None = None,
    xla: bool = False,
    checkpoints: CheckpointFolder | None = None,
    start: Checkpoint | None = None,
    log_metrics: LogMetrics | None = None,
) -> "tuple[keras.Model, TrainingResult]":
    """Train the network of a config with seed 1 on `data`, and return it with the result."""
    import keras

    config, _ = compose_config(list(overrides))
    keras.config.set_dtype_policy("float32")  # An earlier test may have set another one.
    keras.utils.set_random_seed(1)
    model = network_config(*overrides)
    network = build_model(model)
    optimizer, schedule = build_optimization(config, len(data.train))
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    result = fit(
        *(network, optimizer, schedule, config.train, splits),
        scale=255.0,
        seed=1,
        xla=xla,
        parts_per_batch=config.device.parts_per_batch,
        augment=build_augmentation(config.augmentation, data.image_shape),
        momentum_warmup=model.momentum_warmup,
        monitors=Monitors(recorder),
        checkpoints=Checkpoints(checkpoints, start),
        log_metrics=log_metrics,
    )
    return network, result


@dataclass(frozen=True)
class TrackedRun:
    """A run: its result in this process, and the run that MLflow's client reads."""

    result: RunResult
    run: Run
    client: mlflow.MlflowClient
    folder: Path


def interrupt_after_first_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """Send Ctrl-C as soon as the first checkpoint is written."""
    write = CheckpointFolder.write

    def write_and_interrupt(folder: CheckpointFolder, checkpoint: Any) -> None:
        is_first = folder.is_empty
        write(folder, checkpoint)
        if is_first:
            os.kill(os.getpid(), signal.SIGINT)

    patch.setattr(CheckpointFolder, "write", write_and_interrupt)


def table_of_runs(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a table of made-up runs with the columns of `load_runs`.

    Args:
        rows: settings and final metrics of each run, and `name` and `status` if they matter.
    """
    metrics = ["val_accuracy", "test_accuracy", "seconds", "num_parameters"]
    table = pd.DataFrame(
        [
            {"run_id": f"run{number}", "name": f"model-s{row['seed']}", "status": "FINISHED", **row}
            for number, row in enumerate(rows)
        ]
    )
    settings = table.drop(columns=["run_id", "name", "status", *metrics], errors="ignore")
    texts = settings.astype(object).map(str)
    table["tags.config_hash"] = texts.agg("-".join, axis=1)
    table["tags.seedless_hash"] = texts.drop(columns="seed").assign(end="").agg("-".join, axis=1)
    return table


def seed_group(test_accuracies: Sequence[float], **settings: Any) -> SeedGroup:
    """Return a group of made-up runs, one for each test accuracy, with the seeds 0, 1, …."""
    rows = [
        {"seed": seed, "test_accuracy": accuracy, **settings}
        for seed, accuracy in enumerate(test_accuracies)
    ]
    (group,) = group_by_seed(table_of_runs(rows))
    return group


def one_line(text: str) -> str:
    """The text without the line breaks of the terminal."""
    return " ".join(text.split())


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for the end of a training, which must succeed, and return what it printed as errors."""
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return str(err)


def wait_for_output(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read the output of a process until a line matches, and return the group of the match."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[1]
    _, err = process.communicate()
    raise AssertionError(f"expected {pattern!r}. Received: {lines} {err}")


@contextmanager
def running_server(
    folder: Path, *command: str, output: int | IO[str] = subprocess.DEVNULL
) -> Iterator[str]:
    """Start a server in a folder, yield its address, and stop it.

    Args:
        output: receives what the server prints.
    """
    port = free_port()
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        cwd=folder,
        stdout=output,
        stderr=output,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=120)
        finally:
            process.kill()  # Does nothing if the server has ended.
            process.wait()


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(120):
        assert process.poll() is None, "the server exited"
        try:
            with urlopen(f"{address}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"{address} does not answer")


def assert_nothing_is_cut(figure: "Figure") -> None:
    """Check that all texts are within the figure, and that no legend lies over the data."""
    figure.draw_without_rendering()
    needed = figure.get_tightbbox()
    assert min(needed.x0, needed.y0) > -0.02, f"cut off at the left or at the bottom: {needed}"
    assert needed.x1 < figure.get_figwidth() + 0.02, f"cut off at the right: {needed}"
    assert needed.y1 < figure.get_figheight() + 0.02, f"cut off at the top: {needed}"
    legends = [*figure.legends, *(axes.legend_ for axes in figure.axes if axes.legend_)]
    for legend in legends:
        for axes in figure.axes:
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())


def points_of(line: "Line2D") -> list[tuple[float, float]]:
    """Return the points of a line of a figure."""
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata(), dtype=float)]
