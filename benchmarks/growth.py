"""Measure how the time of a command grows with its work: `python benchmarks/growth.py`.

It measures trainings with more images and more steps, sweeps with more runs, and three commands in
stores with more runs. The runs of the stores are copies of a real one, in groups of ten seeds. It
writes docs/growth.md and its picture. Everything takes about 25 minutes on two cores.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.device import cpu_device
from mnistexp.learner import build_learner

DOCS = Path(__file__).parents[1] / "docs"
MNISTEXP = [sys.executable, "-m", "mnistexp"]
NUM_ROUNDS = 3
IMAGES = (1_000, 3_000, 10_000, 30_000, 60_000)
STEPS = (100, 300, 1_000, 3_000, 10_000)
SWEEP_RUNS = (1, 10, 50, 200)
STORED_RUNS = (10, 100, 1_000, 5_000)
SHORT = ["model=softmax", "train.steps=20", "data.train_size=1000"]


@dataclass
class Growth:
    """Seconds of a command for each amount of work.

    title: what was timed. unit: of the amounts.
    """

    title: str
    unit: str
    seconds: dict[int, float] = field(default_factory=dict)

    @property
    def exponent(self) -> float:
        """Growth between the two largest amounts: 0 is constant, 1 is linear, 2 is quadratic."""
        (smaller, before), (larger, after) = list(self.seconds.items())[-2:]
        return float(np.log(after / before) / np.log(larger / smaller))


def main() -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        measured = [
            measure_images(),
            measure_steps(),
            measure_sweeps(Path(folder) / "sweeps"),
            *measure_stores(Path(folder) / "store"),
        ]
    draw(measured, DOCS / "pictures" / "growth.png")
    (DOCS / "growth.md").write_text(format_page(measured))


def measure_images() -> Growth:
    """Time one epoch of conv_big with more and more images."""
    growth = Growth("one epoch of `conv_big`", "images")
    for count in IMAGES:
        settings = [f"data.train_size={count}", "train.epochs=1"]
        growth.seconds[count] = train_seconds(["model=conv_big", "data=mnist_60000", *settings])
    return growth


def measure_steps() -> Growth:
    """Time trainings of five_layers with more and more steps."""
    growth = Growth("a training of `five_layers`", "steps")
    for count in STEPS:
        growth.seconds[count] = train_seconds(["model=five_layers", f"train.steps={count}"])
    return growth


def train_seconds(settings: Sequence[str]) -> float:
    """Return the median duration of a training, without compilation and evaluation."""
    evaluation = ["train.evaluate_on=[]", "tracking=none", "optim=adam"]
    config, _ = compose_config([*settings, *evaluation])
    data = load_data(config.data)
    seconds = []
    for _ in range(NUM_ROUNDS + 1):  # The first one compiles.
        begin = time.perf_counter()
        build_learner(config, data).fit(data, lambda metrics, step: None)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def measure_sweeps(folder: Path) -> Growth:
    """Time sweeps of short runs."""
    growth = Growth("a sweep of runs of 20 steps", "runs")
    for count in SWEEP_RUNS:
        path = folder / str(count)
        path.mkdir(parents=True)
        command = [*MNISTEXP, "-m", *SHORT, f"seed=range({count})"]
        growth.seconds[count] = run_seconds(path, command)
    return growth


def measure_stores(folder: Path) -> list[Growth]:
    """Time `compare`, a run of one step, and the dry run of a sweep, in growing stores."""
    folder.mkdir()
    run_seconds(folder, [*MNISTEXP, "-m", *SHORT, "seed=0,1"])
    store = StoreOfCopies(folder)
    seeds = iter(range(1_000_000, 2_000_000))
    commands: dict[str, Callable[[], list[str]]] = {
        "`compare`": lambda: ["compare"],
        "a run of 20 steps": lambda: [*SHORT, f"seed={next(seeds)}"],
        "the dry run of a sweep": lambda: ["-m", *SHORT, "seed=7,8", "sweep.dry_run=true"],
    }
    measured = [Growth(title, "runs in the store") for title in commands]
    for count in STORED_RUNS:
        store.grow(count)
        for growth, build_command in zip(measured, commands.values(), strict=True):
            growth.seconds[count] = statistics.median(
                run_seconds(folder, [*MNISTEXP, *build_command()]) for _ in range(NUM_ROUNDS)
            )
    return measured


class StoreOfCopies:
    """The store of a folder, in which a finished job of a sweep is copied."""

    def __init__(self, folder: Path) -> None:
        self._client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        runs = self._client.search_runs(["1"])
        self._original = next(run for run in runs if "mlflow.parentRunId" in run.data.tags)
        self._num_runs = len(runs)

    def grow(self, num_runs: int) -> None:
        """Copy the job until the store has so many runs."""
        for number in range(self._num_runs, num_runs):
            self._copy(self._original, number)
        self._num_runs = max(num_runs, self._num_runs)

    def _copy(self, run: Run, number: int) -> None:
        """Copy a run with other hashes, so that ten copies have the same settings."""
        group = number // 10
        changed = {"config_hash": f"{number:064d}", "seedless_hash": f"{group:064d}"}
        copy = self._client.create_run(
            run.info.experiment_id, run_name=f"copy{group}-s{number % 10}"
        )
        params = {**run.data.params, "seed": str(number), "optim.learning_rate": f"0.{group + 1}"}
        metrics = [
            Metric(name, value, run.info.start_time, 20) for name, value in run.data.metrics.items()
        ]
        tags = {**run.data.tags, **changed, "mlflow.runName": copy.info.run_name}
        self._client.log_batch(
            copy.info.run_id,
            metrics,
            [Param(name, value) for name, value in params.items()],
            [RunTag(name, str(value)) for name, value in tags.items()],
        )
        self._client.set_terminated(copy.info.run_id)


def run_seconds(folder: Path, command: Sequence[str]) -> float:
    """Return how long a command takes, in seconds."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


def draw(measured: Sequence[Growth], file: Path) -> None:
    """Draw a panel for each growth: seconds against the amount, with a line of linear growth."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for axis, growth in zip(axes.flat, measured, strict=True):
        amounts, seconds = np.array([*growth.seconds]), np.array([*growth.seconds.values()])
        linear = seconds[-1] * amounts / amounts[-1]
        axis.plot(amounts, seconds, "o-", label="measured")
        axis.plot(amounts, linear, ":", color="gray", label="proportional")
        axis.set(xscale="log", yscale="log", xlabel=growth.unit, ylabel="seconds")
        axis.set_title(growth.title.replace("`", ""))
    axes.flat[0].legend()
    figure.savefig(file, dpi=100)


def format_page(measured: Sequence[Growth]) -> str:
    """Return the page in Markdown."""
    parts = [HEADER.format(machine=cpu_device().name, date=f"{datetime.now():%Y-%m-%d}")]
    for growth in measured:
        amounts = [f"{amount:,}" for amount in growth.seconds]
        seconds = [f"{value:.3g}" for value in growth.seconds.values()]
        rows = [
            [growth.unit, *amounts, "exponent"],
            ["---", *("---:" for _ in amounts), "---:"],
            [f"seconds of {growth.title}", *seconds, f"{growth.exponent:.2f}"],
        ]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(parts) + "\n"


HEADER = """# How the time grows

Written by `python benchmarks/growth.py`; do not edit. Measured on {date}: {machine}. Trainings and commands in a
store are medians of three; sweeps were run once. The exponent is that of the growth between the two largest amounts:
0 is constant, 1 is linear, and less than 1 is better than linear.

![Seconds against the amount of work](pictures/growth.png)"""

if __name__ == "__main__":
    main()
