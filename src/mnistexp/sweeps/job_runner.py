"""Run jobs through a launcher, and collect their results while they run."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from mnistexp.config.sweep import JobConfig
from mnistexp.device import num_cores
from mnistexp.experiment.resumption import can_continue
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.jobs import Job, JobResult, read_job_result, run_name
from mnistexp.sweeps.launchers import LauncherTraits
from mnistexp.sweeps.progress import SweepProgress
from mnistexp.tracking import (
    MlflowTracking,
    RunRecord,
    RunStore,
    TrackingConfig,
    end_run,
    tracking_uri,
)

POLL_SECONDS = 2.0


class JobRunner:
    """Runs jobs as children of the sweep's run.

    Attributes:
        results: the results of the jobs that have ended, by `config_hash`.
    """

    def __init__(
        self,
        session: HydraSession,
        traits: LauncherTraits,
        progress: SweepProgress,
        tracking: TrackingConfig,
        parent: str | None,
        varying: Sequence[str],
    ) -> None:
        """Connect to the session's task.

        Args:
            parent: the id of the sweep's run, or a reference to it; see `Tracker.reference`.
            varying: the settings that differ between the jobs, for their names.
        """
        self.results: dict[str, JobResult] = {}
        self._launcher = session.launcher
        self._traits = traits
        self._progress = progress
        self._tracking = tracking if isinstance(tracking, MlflowTracking) else None
        self._parent = parent
        self._varying = varying
        self._jobs: list[Job] = []
        self._num_launched = 0
        # The main thread and the polling thread both record results.
        self._lock = threading.Lock()
        self._earlier_runs = {run.run_id: run for run in self._all_child_runs()}
        self._interrupted = self._find_interrupted()
        session.task.on_result = lambda job, result: self._record(job.config_hash, job.name, result)
        session.task.n_jobs = traits.n_jobs
        session.task.threads = traits.threads or num_cores()
        session.task.ends_with_sweep = traits.killed_with_parent and not traits.in_process

    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs until each has a result. If a worker is killed, only its job fails."""
        self._jobs += jobs
        waiting = list(jobs)
        while waiting:
            with self._polling_the_store(waiting):
                crash = self._launch(waiting)
            if crash:
                self._collect_results(waiting)
                self._fail_started(waiting, crash)
            unfinished = self._without_result(waiting)
            # Do not launch them again if they may still run on a cluster, or if no job has ended:
            # a launcher that never runs a job would be restarted forever.
            if len(unfinished) == len(waiting) or not self._traits.killed_with_parent:
                for job in unfinished:
                    self._fail(job, f"the launcher returned no result. {crash}")
            waiting = self._without_result(waiting)

    def close_running(self, reason: str) -> None:
        """Close the runs of jobs that end together with this process."""
        self._collect_results(self._jobs)
        for run in self._child_runs().values():
            if run.status == "RUNNING":
                self._close_run(run, "KILLED", reason)

    def _without_result(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if job.config_hash not in self.results]

    def _launch(self, jobs: Sequence[Job]) -> str:
        """Launch jobs. Return the reason if the launcher itself failed, else an empty string."""
        overrides = [[*job.overrides, self._job_override(job)] for job in jobs]
        if not self._traits.in_process:
            # A cluster may let them wait.
            count = f"{len(jobs)} job{'s' if len(jobs) > 1 else ''}"
            print(f"launching {count}; the workers load TensorFlow first …", flush=True)
        try:
            returns = self._launcher.launch(overrides, initial_job_idx=self._num_launched)
        # Launchers raise the exceptions of their libraries when a worker is killed.
        except Exception as error:
            return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        finally:
            self._num_launched += len(jobs)
        for job, returned in zip(jobs, returns, strict=True):
            self._record(job.config_hash, self._name(job), returned.return_value)
        return ""

    def _job_override(self, job: Job) -> str:
        job_config = JobConfig(
            name=self._name(job),
            config_hash=job.config_hash,
            parent_run_id=self._parent,
            trial=job.trial,
            resumed_run_id=self._interrupted.get(job.config_hash),
        )
        return f"++sweep.job={quote_value(job_config.model_dump(exclude_none=True))}"

    def _name(self, job: Job) -> str:
        return run_name(job, self._varying)

    @contextmanager
    def _polling_the_store(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Collect results from the store while workers run the jobs."""
        if self._traits.in_process or self._tracking is None:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._poll, args=(jobs, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _poll(self, jobs: Sequence[Job], stop: threading.Event) -> None:
        was_reported = False
        while not stop.wait(POLL_SECONDS):
            try:
                self._collect_results(jobs)
            # The store may be locked or unreachable for a while. The jobs continue.
            except Exception as error:
                if not was_reported:
                    reason = str(error).partition("\n")[0]
                    print(
                        "warning: results of jobs cannot be read from the store. Trying again "
                        f"every {POLL_SECONDS:g} s. {type(error).__name__}: {reason}",
                        flush=True,
                    )
                was_reported = True

    def _collect_results(self, jobs: Sequence[Job]) -> None:
        """Record the results of jobs whose runs have ended in the store."""
        runs = self._child_runs()
        for job in jobs:
            run = runs.get(job.config_hash)
            result = read_job_result(run, job.expects_divergence) if run else None
            if result is not None:
                self._record(job.config_hash, self._name(job), result)

    def _child_runs(self) -> dict[str, RunRecord]:
        """Return the latest run of each job that was started by this process, by `config_hash`."""
        return {
            run.tags["config_hash"]: run
            for run in self._all_child_runs()
            if "config_hash" in run.tags and self._was_started(run)
        }

    def _was_started(self, run: RunRecord) -> bool:
        """Whether this call of the sweep has started or continued a run."""
        earlier = self._earlier_runs.get(run.run_id)
        return earlier is None or _process_of(earlier) != _process_of(run)

    def _find_interrupted(self) -> dict[str, str]:
        """Return the id of the last run of each job, by `config_hash`, if it can be continued."""
        if not self._earlier_runs:
            return {}
        assert self._tracking is not None
        store = RunStore(self._tracking)
        last = {run.tags.get("config_hash", ""): run for run in self._earlier_runs.values()}
        return {
            config_hash: run.run_id for config_hash, run in last.items() if can_continue(store, run)
        }

    def _all_child_runs(self) -> Sequence[RunRecord]:
        """Return the runs of this sweep, also those of an earlier call, in the order of start."""
        if self._tracking is None or self._parent is None or self._tracking.offline:
            return []
        where = f"tags.`mlflow.parentRunId` = '{self._parent}'"
        return RunStore(self._tracking).runs(where, missing_ok=True)

    def _fail_started(self, jobs: Sequence[Job], crash: str) -> None:
        """Fail the jobs that were running when the launcher failed."""
        runs = self._child_runs()
        message = f"its process ended unexpectedly. {crash}"
        for job in self._without_result(jobs):
            if job.config_hash in runs:
                self._close_run(runs[job.config_hash], "FAILED", message)
                self._fail(job, message)

    def _close_run(self, run: RunRecord, status: str, reason: str) -> None:
        if self._traits.killed_with_parent and self._tracking is not None:
            end_run(tracking_uri(self._tracking.uri), run.run_id, status, reason)

    def _fail(self, job: Job, message: str) -> None:
        self._record(job.config_hash, self._name(job), JobResult("failed", message=message))

    def _record(self, config_hash: str, name: str, result: JobResult) -> None:
        """Store a result. Print it if it is the first one of its job."""
        with self._lock:
            is_first = config_hash not in self.results
            self.results[config_hash] = result
            if is_first:
                self._progress.add_result(name, result)


def _process_of(run: RunRecord) -> tuple[str | None, ...]:
    return tuple(run.tags.get(tag) for tag in ("process", "process_start"))


def quote_value(value: Any) -> str:
    """Write a value in the grammar of Hydra's overrides.

    Texts are quoted, which preserves spaces, commas, quotes and backslashes. OmegaConf would
    interpret `${` as an interpolation, so it is escaped by a backslash, and backslashes before it
    are doubled.
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{quote_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, int):
        return str(value)
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", str(value))
    return QuotedString(text, Quote.single).with_quotes()
