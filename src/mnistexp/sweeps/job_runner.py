"""Runs jobs through a launcher, as children of one run, and gathers how they ended."""

import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.plugins.launcher import Launcher

from mnistexp.config.sweep import JobConfig, TrialConfig
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.job_result import JobResult, job_result_of
from mnistexp.sweeps.jobs import Job, run_name
from mnistexp.sweeps.launchers import LauncherTraits
from mnistexp.sweeps.progress import SweepProgress
from mnistexp.sweeps.sweep_task import SweepTask
from mnistexp.tracking import (
    MlflowTracking,
    RunRecord,
    Tracker,
    TrackingConfig,
    end_run,
    past_runs,
    start_run,
)

POLL_SECONDS = 2.0


class JobRunner:
    """Runs jobs through a launcher, as children of one run."""

    def __init__(
        self,
        launcher: Launcher,
        task: SweepTask,
        engine: LauncherTraits,
        board: SweepProgress,
        tracking: MlflowTracking | None,
        parent: str | None,
        different: Sequence[str],
    ) -> None:
        """Args: parent: the id of the sweep's run. different: the settings that vary."""
        self._launcher = launcher
        self._engine = engine
        self._board = board
        self._tracking = tracking
        self._parent = parent
        self._different = different
        self._jobs: list[Job] = []
        self._num_launched = 0
        self._before: frozenset[str] = frozenset()
        self._before = frozenset(run.run_id for run in self.children().values())
        self.outcomes: dict[str, JobResult] = {}
        """By `config_hash`, as far as jobs have ended."""
        task.listener = self
        task.num_at_once = engine.num_at_once

    def run(self, jobs: Sequence[Job], trials: Sequence[TrialConfig | None] = ()) -> None:
        """Run the jobs. Those whose worker dies have failed; the others go on.

        Args:
            trials: in a search, the trial of each job.
        """
        self._jobs += jobs
        waiting = list(zip(jobs, trials or [None] * len(jobs), strict=True))
        while waiting:
            with self._watching([job for job, _ in waiting]):
                crash = self._launch(waiting)
            if crash:
                self.look([job for job, _ in waiting])
                self._fail_started(self._without_outcome(waiting), crash)
            left = self._without_outcome(waiting)
            if len(left) == len(waiting) or not self._engine.killed_with_parent:
                for job in left:
                    self._fail(job, f"nothing is known of it. {crash}")
            waiting = [pair for pair in waiting if pair[0].config_hash not in self.outcomes]

    def _without_outcome(self, waiting: Sequence[tuple[Job, TrialConfig | None]]) -> list[Job]:
        return [job for job, _ in waiting if job.config_hash not in self.outcomes]

    def _launch(self, waiting: Sequence[tuple[Job, TrialConfig | None]]) -> str:
        """Launch jobs. Gives the reason if the launcher itself broke down."""
        overrides = [[*job.overrides, self._word_for(job, trial)] for job, trial in waiting]
        try:
            returns = self._launcher.launch(overrides, initial_job_idx=self._num_launched)
        # A launcher raises whatever its engine raises when a worker is killed.
        except Exception as error:
            return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        finally:
            self._num_launched += len(waiting)
        for (job, _), returned in zip(waiting, returns, strict=True):
            self._record(job.config_hash, self._name(job), returned.return_value)
        return ""

    def _word_for(self, job: Job, trial: TrialConfig | None) -> str:
        """What the sweep tells a job, as an override of Hydra's."""
        told: dict[str, Any] = {"name": self._name(job), "config_hash": job.config_hash}
        if self._parent is not None:
            told["parent"] = self._parent
        if trial is not None:
            told["trial"] = trial.model_dump()
        return f"++sweep.job={_quoted(told)}"

    def _name(self, job: Job) -> str:
        return run_name(job, self._different)

    @contextmanager
    def _watching(self, jobs: Sequence[Job]) -> Iterator[None]:
        """While jobs run elsewhere, look into the store for those that have ended."""
        if self._engine.in_process:
            yield
            return
        watch = _Watch(lambda: self.look(jobs))
        watch.start()
        try:
            yield
        finally:
            watch.stop()

    def on_end(self, job: JobConfig, outcome: JobResult) -> None:
        """Record how a job of this process ended, at once: the launcher may yet be interrupted."""
        self._record(job.config_hash, job.name, outcome)

    def look(self, jobs: Sequence[Job]) -> None:
        """Look into the store for jobs that have ended."""
        children = self.children()
        for job in jobs:
            run = children.get(job.config_hash)
            outcome = job_result_of(run, job.diverging_is_expected) if run else None
            if outcome is not None:
                self._record(job.config_hash, self._name(job), outcome)

    def children(self) -> dict[str, RunRecord]:
        """The latest run of each job that was started here, by `config_hash`."""
        if self._tracking is None or self._parent is None:
            return {}
        runs = past_runs(self._tracking, f"tags.`mlflow.parentRunId` = '{self._parent}'")
        return {
            run.tags["config_hash"]: run
            for run in runs
            if "config_hash" in run.tags and run.run_id not in self._before
        }

    def close_running(self, reason: str) -> None:
        """Close the runs whose processes end with this one."""
        self.look(self._jobs)
        for run in self.children().values():
            if run.status == "RUNNING":
                self._close(run, "KILLED", reason)

    def _close(self, run: RunRecord, status: str, reason: str) -> None:
        if self._engine.killed_with_parent and self._tracking is not None:
            end_run(self._tracking, run.run_id, status, reason)

    def _fail_started(self, jobs: Sequence[Job], crash: str) -> None:
        """Jobs that were running when the launcher broke down have failed."""
        children = self.children() if jobs else {}
        for job in jobs:
            run = children.get(job.config_hash)
            if run is not None and job.config_hash not in self.outcomes:
                self._close(run, "FAILED", f"its process was lost. {crash}")
                self._fail(job, f"its process was lost. {crash}")

    def _fail(self, job: Job, message: str) -> None:
        self._record(job.config_hash, self._name(job), JobResult("failed", message=message))

    def _record(self, config_hash: str, name: str, outcome: JobResult) -> None:
        """Keep an outcome, and tell it if it is the first of its job."""
        is_new = config_hash not in self.outcomes
        self.outcomes[config_hash] = outcome
        if is_new:
            self._board.tell(name, outcome)


@contextmanager
def sweep_run(
    session: HydraSession,
    tracking: TrackingConfig,
    engine: LauncherTraits,
    board: SweepProgress,
    different: Sequence[str],
    *,
    name: str,
    sweep_hash: str,
    resume: str | None,
    close: Callable[[Tracker, Mapping[str, JobResult]], None],
) -> Iterator[JobRunner]:
    """The sweep's own run, and what runs its jobs.

    Args:
        different: the settings that vary between jobs.
        name: of the run. sweep_hash: by which the sweep is known again.
        resume: the id of the run that it left, if it is gone on with.
        close: is told, in any case, the outcomes of the jobs that were run.
    """
    mlflow = tracking if isinstance(tracking, MlflowTracking) else None
    with start_run(tracking, name, session.tags(sweep_hash), resume=resume) as tracker:
        conductor = JobRunner(
            session.launcher, session.task, engine, board, mlflow, tracker.run_id, different
        )
        try:
            with board, _libraries_left_alone():
                yield conductor
        except KeyboardInterrupt:
            conductor.close_running("interrupted with its sweep")
            raise
        finally:
            close(tracker, conductor.outcomes)


@contextmanager
def _libraries_left_alone() -> Iterator[None]:
    """Keras collects garbage before each run: that of the runs, not also among all of TensorFlow.

    Looking through the objects of the libraries would take as long as training a softmax.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Watch(threading.Thread):
    """Looks into the store every two seconds while jobs run elsewhere."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._look = look
        self._over = threading.Event()

    def run(self) -> None:
        """Look, until it is over."""
        while not self._over.wait(POLL_SECONDS):
            self._look()

    def stop(self) -> None:
        """End after the look that is going on."""
        self._over.set()
        self.join()


def _quoted(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_quoted(item)}" for key, item in value.items()) + "}"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("$", "")
    return f"'{text}'"
