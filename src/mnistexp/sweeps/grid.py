"""The strategy that runs every combination of the given values."""

import hashlib
from collections.abc import Mapping, Sequence
from statistics import mean

from mnistexp.config.run_names import format_value, short_names
from mnistexp.errors import SweepFailed
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.jobs import Job, JobResult, varying_settings
from mnistexp.sweeps.launchers import launcher_traits
from mnistexp.sweeps.leaderboard import find_best_job
from mnistexp.sweeps.progress import format_duration
from mnistexp.sweeps.sweep import Strategy
from mnistexp.sweeps.validation import validate_jobs
from mnistexp.tables import Column, Table

MAX_ROWS = 40


class GridStrategy(Strategy):
    """Runs the jobs of a grid that have no result yet, in one batch."""

    def __init__(self, session: HydraSession, grid: Sequence[Sequence[str]]) -> None:
        """Compose all jobs and build their models.

        Args:
            grid: the overrides of each job.

        Raises:
            ConfigError: a combination cannot be run.
        """
        print(f"checking {len(grid)} job{'s' if len(grid) > 1 else ''} …", flush=True)
        traits = launcher_traits(session.launcher, len(grid))
        self._jobs, self._num_parameters = validate_jobs(session, grid, traits)
        super().__init__(session, traits, self._jobs[0])
        self.varying = varying_settings(self._jobs)
        names = short_names(self.varying)
        self.name = "-".join(["sweep", *(names[key] for key in self.varying)])
        # Sorted, so that the order of the values on the command line has no effect.
        hashes = sorted(job.config_hash for job in self._jobs)
        self.sweep_hash = hashlib.sha256("".join(hashes).encode()).hexdigest()
        results = self.previous_runs.results(self._jobs, self.sweep_hash)
        self._waiting = [job for job in self._jobs if self._must_run(job, results)]
        waiting_hashes = {job.config_hash for job in self._waiting}
        self.known_results = {k: v for k, v in results.items() if k not in waiting_hashes}

    @property
    def jobs(self) -> Sequence[Job]:
        """All jobs of the grid."""
        return self._jobs

    @property
    def num_left(self) -> int:
        """The number of jobs without a result."""
        return len(self._waiting)

    def ask(self) -> list[Job]:
        """Return all jobs that must run. The launcher decides how many run in parallel."""
        jobs, self._waiting = self._waiting, []
        return jobs

    def tell(self, job: Job, result: JobResult) -> None:
        """Ignore the result: the jobs of a grid are fixed."""

    def best_job(self, results: Mapping[str, JobResult]) -> Job | None:
        """Return the job with the best validation accuracy; see `find_best_job`."""
        return find_best_job(self._jobs, results)

    def check_results(self, results: Mapping[str, JobResult]) -> None:
        """Raise SweepFailed if any job has failed, also in an earlier sweep."""
        num_failed = sum(result.has_failed for result in results.values())
        if num_failed:
            raise SweepFailed(
                f"{num_failed} of {len(self._jobs)} jobs failed. Repeat the command to run them "
                "again"
            )

    def print_plan(self) -> None:
        """Print the number of jobs, the parameters of each model, and the expected time."""
        varying = [key for key in self.varying if key != "seed"]
        names = short_names(varying)
        columns = [
            *(Column(names[key], is_text=True) for key in varying),
            *map(Column, ("jobs", "to run", "parameters", "seconds each")),
        ]
        seed_groups: dict[str, list[Job]] = {}
        for job in self._jobs:
            seed_groups.setdefault(job.seedless_hash, []).append(job)
        rows = [
            [
                *(format_value(jobs[0].settings.get(key, "–")) for key in varying),
                *self._plan_cells(jobs),
            ]
            for jobs in seed_groups.values()
        ]
        Table(columns, rows).print(max_rows=MAX_ROWS)
        print(self._format_plan(), flush=True)

    def _must_run(self, job: Job, results: Mapping[str, JobResult]) -> bool:
        """See `SweepConfig.rerun`."""
        rerun, result = self.config.sweep.rerun, results.get(job.config_hash)
        if rerun == "all" or result is None:
            return True
        return rerun == "failed" and result.status != "finished"

    def _plan_cells(self, jobs: Sequence[Job]) -> list[str]:
        """Return the cells after the settings, for the jobs of one seed group."""
        num_parameters = self._num_parameters[jobs[0].seedless_hash]
        seconds = self.previous_runs.mean_seconds(jobs[0].config)
        return [
            str(len(jobs)),
            str(sum(job in self._waiting for job in jobs)),
            "–" if num_parameters is None else f"{num_parameters:,}",
            "?" if seconds is None else f"{seconds:.1f}",
        ]

    def _format_plan(self) -> str:
        num_jobs, num_waiting = len(self._jobs), len(self._waiting)
        parts = ["1 job" if num_jobs == 1 else f"{num_jobs} jobs"]
        if num_waiting < num_jobs:
            parts += [f"{num_jobs - num_waiting} finished earlier", f"{num_waiting} to run"]
        times = [self.previous_runs.mean_seconds(job.config) for job in self._waiting]
        known_times = [time for time in times if time is not None]
        if known_times:
            seconds = mean(known_times) * num_waiting / (self.traits.n_jobs or 1)
            parts.append(f"about {format_duration(seconds)}")
        elif num_waiting:
            parts.append("unknown time: the store has no similar run")
        return ", ".join(parts)
