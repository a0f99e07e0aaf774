"""Many runs at once on one store, and many runs in one process."""

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import Run
from support import running_server, start_command

from mnistexp.tracking.journal import find_journals
from torture.counts import Counts

SHORT = (
    *("data.train_size=2000", "train.steps=20", "train.log_every=2"),
    *("tracking.figures=false", "tracking.log_model=false"),
)
NUM_LOGGED = 10
"""The values of each training metric of such a run."""
ONE_STEP = ("data.train_size=2000", "train.steps=1", *SHORT[-2:])
MAX_GROWTH = 1.1
"""Memory in the last runs of a sweep, divided by that in the first ones."""
MAX_ADDED_FILES = 5
"""Open files beyond those at the start: a connection to the store may be open or not."""
SAMPLE_SECONDS = 0.5
TIMEOUT_SECONDS = 1_800


def run_in_parallel(num_processes: int, num_runs: int, *, server: bool) -> Counts:
    """Run sweeps in processes at the same time on one store; count the complete runs.

    Args:
        num_runs: of each process.
        server: use an MLflow server instead of a SQLite file.
    """
    kind = "an MLflow server" if server else "a SQLite store"
    with TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_server(folder / "server", "mlflow", "server", "--workers", "2")
            if server
            else nullcontext(f"sqlite:///{folder}/mlflow.db") as uri
        ):
            processes = [
                _start_sweep(
                    folder / f"{index}", uri, range(index * num_runs, (index + 1) * num_runs)
                )
                for index in range(num_processes)
            ]
            failures = [_failure(process) for process in processes]
            # What an overloaded store has not taken is in journals, as the last line says.
            failures += [_sync(folder / f"{index}") for index in range(num_processes)]
            incomplete = _incomplete_seeds(uri, num_processes * num_runs)
    part = f"runs of {num_processes} processes at once on {kind}"
    lost = (*filter(None, failures), *incomplete)
    return Counts(part, num_processes * num_runs, lost)


def _start_sweep(folder: Path, uri: str, seeds: range) -> "subprocess.Popen[str]":
    folder.mkdir()
    values = f"seed=range({seeds.start},{seeds.stop})"
    return start_command(folder, "-m", values, f"tracking.uri={uri}", *SHORT)


def _sync(folder: Path) -> str:
    """Send what is left in the journals of a folder, as `mnistexp sync` does."""
    journals = find_journals(folder / "runs")
    if not journals:
        return ""
    print(f"{folder.name}: {len(journals)} journals are left for mnistexp sync", flush=True)
    return _failure(start_command(folder, "sync"))


def _failure(process: "subprocess.Popen[str]") -> str:
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return f"exit code {process.returncode}: {err}" if process.returncode else ""


def _incomplete_seeds(uri: str, number: int) -> list[str]:
    """Return a line for each seed without exactly one run that has all metrics."""
    client = mlflow.MlflowClient(uri)
    runs: dict[str, list[Run]] = {str(seed): [] for seed in range(number)}
    for run in client.search_runs(["1"], max_results=10_000):
        if run.data.tags.get("kind") != "sweep":
            runs[run.data.params["seed"]].append(run)
    return [
        f"seed {seed}: {len(found)} runs, complete: {[_is_complete(client, run) for run in found]}"
        for seed, found in runs.items()
        if [_is_complete(client, run) for run in found] != [True]
    ]


def _is_complete(client: mlflow.MlflowClient, run: Run) -> bool:
    values = client.get_metric_history(run.info.run_id, "train_loss")
    return (
        run.info.status == "FINISHED"
        and len({value.step for value in values}) == len(values) == NUM_LOGGED
        and {"test_accuracy", "val_accuracy", "system/seconds"} <= set(run.data.metrics)
        and "weights_sha256" in run.data.tags
    )


@dataclass(frozen=True)
class ProcessSample:
    """What a process and its children use at one moment.

    memory_mb: resident memory of the process. files: open files of the process.
    """

    num_done: int
    memory_mb: float
    files: int
    children: int


def run_long_sweep(number: int) -> Counts:
    """Run a sweep of one-step runs in one process; memory, files and processes must not grow.

    A fifth of the runs is compared with another fifth: the last one with the first one.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        process = start_command(folder, "-m", f"seed=range({number})", *ONE_STEP)
        with ThreadPoolExecutor(1) as pool:
            # Its output must be read all the time: a process waits when a pipe is full.
            failing = pool.submit(_failure, process)
            samples = _sample(process.pid, folder / "runs", failing.done)
            failure = failing.result()
    lost = [failure] if failure else _growth(samples, number)
    return Counts("one-step runs of a sweep: memory, open files and processes", number, tuple(lost))


def _sample(pid: int, runs: Path, has_ended: Callable[[], bool]) -> list[ProcessSample]:
    samples = []
    while not has_ended():
        num_done = sum(1 for _ in runs.glob("*/*/config.yaml"))
        if num_done:
            with suppress(OSError):  # It may end at this moment.
                samples.append(_read_sample(pid, num_done))
        time.sleep(SAMPLE_SECONDS)
    return samples


def _read_sample(pid: int, num_done: int) -> ProcessSample:
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    files = sum(1 for _ in (folder / "fd").iterdir())
    children = (folder / "task" / str(pid) / "children").read_text().split()
    return ProcessSample(num_done, pages * 4096 / 1e6, files, len(children))


def _growth(samples: Sequence[ProcessSample], number: int) -> list[str]:
    """Return a line for each quantity that grew from the first to the last fifth of the runs."""
    first = [s for s in samples if s.num_done <= number / 5]
    last = [s for s in samples if s.num_done > number * 4 / 5]
    grown = []
    before, after = (median(s.memory_mb for s in part) for part in (first, last))
    print(f"memory: {before:.0f} MB in the first fifth, {after:.0f} MB in the last", flush=True)
    if after > MAX_GROWTH * before:
        grown.append(f"memory: {before:.0f} MB at first, {after:.0f} MB at last")
    for name, allowed in (("files", MAX_ADDED_FILES), ("children", 0)):
        before, after = (max(getattr(s, name) for s in part) for part in (first, last))
        print(f"{name}: at most {before} in the first fifth, {after} in the last", flush=True)
        if after > before + allowed:
            grown.append(f"{name}: {before} at first, {after} at last")
    return grown
