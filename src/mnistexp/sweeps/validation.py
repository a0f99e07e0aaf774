"""Before anything trains: every job checked, and a table of what is to be done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from rich.console import Console
from rich.table import Table

from mnistexp.analysis import short_names
from mnistexp.config.config import Config
from mnistexp.data import load_data
from mnistexp.device import check_device
from mnistexp.errors import InputError
from mnistexp.learner import build_learner
from mnistexp.model import NetworkConfig
from mnistexp.sweeps.job_result import JobResult, job_result_of
from mnistexp.sweeps.jobs import Composer, Job, shown, varying_settings
from mnistexp.tracking import MlflowTracking, RunRecord, check_tracking, past_runs

MAX_ROWS = 40


@dataclass(frozen=True)
class Problem:
    """A combination that cannot work, and why."""

    overrides: Sequence[str]
    message: str

    def __str__(self) -> str:
        shown = " ".join(override.lstrip("+") for override in self.overrides)
        return f"{shown}: {self.message}"


def compose_jobs(
    composer: Composer, grid: Sequence[Sequence[str]]
) -> tuple[list[Job], list[Problem]]:
    """The jobs of a grid, each once, and the combinations that cannot be composed."""
    jobs: dict[str, Job] = {}
    problems = []
    for overrides in grid:
        try:
            job = composer.compose(overrides)
        except InputError as error:
            problems.append(Problem(overrides, str(error)))
        else:
            jobs.setdefault(job.config_hash, job)
    return list(jobs.values()), problems


def build_models(
    jobs: Sequence[Job], in_process: bool
) -> tuple[Mapping[str, int | None], list[Problem]]:
    """The number of parameters by recipe, and the jobs whose layers do not fit each other.

    Args:
        in_process: the jobs run in this process; else the models are built on the CPU, so that this
            process takes no GPU from them.
    """
    parameters: dict[str, int | None] = {}
    problems = []
    for job in jobs:
        if job.seedless_hash in parameters:
            continue
        try:
            check_tracking(job.config.tracking)
            check_device(job.config.device)
            parameters[job.seedless_hash] = _num_parameters(job.config, in_process)
        except InputError as error:
            problems.append(Problem(job.overrides, str(error)))
    return parameters, problems


def _num_parameters(config: Config, in_process: bool) -> int | None:
    """None for a classical method, which learns their number too."""
    if not in_process:
        device = config.device.model_copy(update={"type": "cpu", "threads": None, "onednn": "auto"})
        config = config.model_copy(update={"device": device})
    learner = build_learner(config, load_data(config.data))
    return learner.num_parameters if isinstance(config.model, NetworkConfig) else None


class Store:
    """What the store knows of the jobs of a sweep."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        tracking = jobs[0].config.tracking
        self.tracking = tracking if isinstance(tracking, MlflowTracking) else None
        self._runs: Sequence[RunRecord] = past_runs(self.tracking) if self.tracking else []

    def outcomes(self, jobs: Sequence[Job]) -> dict[str, JobResult]:
        """The best that became of each job, by `config_hash`: finished, else what came last."""
        by_hash = {job.config_hash: job for job in jobs}
        found: dict[str, JobResult] = {}
        for run in self._runs:
            job = by_hash.get(run.tags.get("config_hash", ""))
            if job is None:
                continue
            outcome = job_result_of(run, job.diverging_is_expected)
            before = found.get(job.config_hash)
            if outcome and not (before and before.status == "finished" != outcome.status):
                found[job.config_hash] = outcome
        return found

    def seconds(self, job: Job) -> float | None:
        """The mean time of finished runs that should take as long; None where there are none."""
        times = [
            run.metrics["seconds"]
            for run in self._runs
            if run.tags.get("workload_hash") == job.workload_hash and "seconds" in run.metrics
        ]
        return mean(times) if times else None

    def sweep_run(self, sweep_hash: str) -> str | None:
        """The id of the run that this same sweep has left."""
        ids = [run.run_id for run in self._runs if run.tags.get("sweep_hash") == sweep_hash]
        return ids[-1] if ids else None


def left_to_do(
    jobs: Sequence[Job],
    outcomes: Mapping[str, JobResult],
    rerun: Literal["failed", "all", "none"],
) -> list[Job]:
    """The jobs that are done now; see `SweepConfig.rerun`."""
    wanted: Callable[[JobResult | None], bool] = {
        "all": lambda _: True,
        "failed": lambda outcome: outcome is None or outcome.status != "finished",
        "none": lambda outcome: outcome is None,
    }[rerun]
    return [job for job in jobs if wanted(outcomes.get(job.config_hash))]


def print_plan(
    jobs: Sequence[Job],
    todo: Sequence[Job],
    parameters: Mapping[str, int | None],
    seconds: Callable[[Job], float | None],
    num_at_once: int,
) -> None:
    """How many jobs, the parameters of each model, and how long it should take."""
    different = [key for key in varying_settings(jobs) if key != "seed"]
    names = short_names(different)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for key in different:
        table.add_column(names[key], overflow="fold")
    for title in ("jobs", "to do", "parameters", "seconds each"):
        table.add_column(title, justify="right")
    recipes: dict[str, list[Job]] = {}
    for job in jobs:
        recipes.setdefault(job.seedless_hash, []).append(job)
    waiting = {job.config_hash for job in todo}
    for recipe, its_jobs in list(recipes.items())[:MAX_ROWS]:
        count, each = parameters[recipe], seconds(its_jobs[0])
        table.add_row(
            *(shown(its_jobs[0].settings.get(key, "–")) for key in different),
            str(len(its_jobs)),
            str(sum(job.config_hash in waiting for job in its_jobs)),
            "–" if count is None else f"{count:,}",
            "?" if each is None else f"{each:.1f}",
        )
    console = Console()
    console.print(table)
    if len(recipes) > MAX_ROWS:
        console.print(f"… and {len(recipes) - MAX_ROWS} more")
    print(_summary(jobs, todo, [seconds(job) for job in todo], num_at_once), flush=True)


def _summary(
    jobs: Sequence[Job], todo: Sequence[Job], times: Sequence[float | None], num_at_once: int
) -> str:
    done = len(jobs) - len(todo)
    parts = [f"{len(jobs)} jobs"]
    if done:
        parts += [f"{done} done before", f"{len(todo)} to do"]
    known = [time for time in times if time is not None]
    if known and todo:
        parts.append(f"about {duration(mean(known) * len(todo) / num_at_once)}")
    elif todo:
        parts.append("time not known yet: no such run in the store")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """`40 s`, `3 min` or `2 h 5 min`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
