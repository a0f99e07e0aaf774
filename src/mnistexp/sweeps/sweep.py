"""Run a sweep: many runs of one command, as children of one run.

A strategy, which is a grid or a search, proposes jobs and receives their results. `run_sweep` does
everything else.
"""

import gc
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mnistexp.analysis.chart_layout import run_title
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.job_runner import JobRunner
from mnistexp.sweeps.jobs import Job, JobResult
from mnistexp.sweeps.launchers import LauncherTraits
from mnistexp.sweeps.previous_runs import PreviousRuns
from mnistexp.sweeps.progress import SweepProgress
from mnistexp.sweeps.summary import SweepSummary
from mnistexp.sweeps.sweep_process import single_process
from mnistexp.tracking import (
    COMMAND_TAG,
    MlflowTracking,
    RunStore,
    Tracker,
    browse_hint,
    run_context,
)

ENDED = ("FINISHED", "FAILED")
"""The status of a sweep that has ended by itself, so its summary is complete."""


class Strategy(ABC):
    """Proposes the jobs of a sweep. Its constructor checks them before anything is trained.

    Attributes:
        session: the Hydra multirun.
        traits: how its launcher runs jobs.
        config: the config of one of the jobs, for the settings that all jobs share.
        previous_runs: the runs in the store when the sweep started.
        known_results: the results of `previous_runs` that the sweep uses, by `config_hash`.
        name: the name of the sweep's run.
        sweep_hash: identifies the sweep when the same command is repeated.
        varying: the settings that differ between the jobs.
        log_settings: those that are sampled on a logarithmic scale.
    """

    name: str
    sweep_hash: str
    varying: Sequence[str]
    log_settings: frozenset[str] = frozenset()

    def __init__(self, session: HydraSession, traits: LauncherTraits, example: Job) -> None:
        """Read the previous runs.

        Args:
            example: any job of the sweep.
        """
        self.session = session
        self.traits = traits
        self.config = example.config
        self.previous_runs = PreviousRuns(example.config.tracking)
        self.known_results: dict[str, JobResult] = {}

    @property
    @abstractmethod
    def jobs(self) -> Sequence[Job]:
        """The jobs that were proposed so far, also by earlier calls of the same command."""

    @property
    @abstractmethod
    def num_left(self) -> int | None:
        """The number of jobs to run; None if only the time is limited."""

    @abstractmethod
    def print_plan(self) -> None:
        """Print what will be run."""

    @abstractmethod
    def ask(self) -> list[Job]:
        """Return the jobs to run next, all of them in parallel. An empty list ends the sweep."""

    @abstractmethod
    def tell(self, job: Job, result: JobResult) -> None:
        """Receive the result of a job."""

    @abstractmethod
    def best_job(self, results: Mapping[str, JobResult]) -> Job | None:
        """Return the best job; None if none can be selected without test images."""

    @abstractmethod
    def check_results(self, results: Mapping[str, JobResult]) -> None:
        """Raise SweepFailed if the sweep counts as failed."""

    def start(self) -> None:
        """Prepare for the first job."""

    def finish(self) -> None:
        """Complete `jobs` and `known_results` after the last job or an interruption."""

    def log(self, tracker: Tracker, title: str) -> None:
        """Log artifacts of this strategy to the sweep's run. title: names the sweep in figures."""


def run_sweep(strategy: Strategy) -> None:
    """Run the jobs that a strategy proposes, and compare their results.

    Raises:
        InputError: another process runs this sweep.
        SweepFailed: jobs have failed; the other jobs are done.
    """
    strategy.print_plan()
    config, session = strategy.config, strategy.session
    if config.sweep.dry_run:
        return
    previous = strategy.previous_runs.sweep(strategy.sweep_hash)
    if previous is not None and previous.status in ENDED and strategy.num_left == 0:
        _print_known_results(strategy, previous.run_id)
        return
    session.create_output_folder()
    resumed_run_id = previous.run_id if previous and config.sweep.rerun != "all" else None
    tags = {
        COMMAND_TAG: session.command,
        "sweep_hash": strategy.sweep_hash,
        "kind": "sweep",
    }
    with (
        single_process(config.tracking, strategy.sweep_hash, previous),
        run_context(config.tracking, strategy.name, tags, resume=resumed_run_id) as tracker,
    ):
        progress = SweepProgress(strategy.num_left)
        runner = JobRunner(
            session=session,
            traits=strategy.traits,
            progress=progress,
            tracking=config.tracking,
            parent=tracker.reference,
            varying=strategy.varying,
        )
        try:
            with progress:
                _run_jobs(strategy, runner)
        except KeyboardInterrupt as interrupt:
            tracker.wait_until_sent()  # Jobs of this process have closed their runs themselves.
            runner.close_running("interrupted with its sweep")
            identity = f", id {tracker.run_id}" if tracker.run_id else ""
            interrupt.add_note(
                f"Sweep {strategy.name}{identity}: {progress.describe_ended()}. "
                "The same command continues it"
            )
            raise
        finally:
            summary = _summarize(strategy, runner.results, resumed_run_id)
            summary.print()
            title = run_title(strategy.name, tracker.run_id)
            summary.log(tracker, config.tracking, title)
            strategy.log(tracker, title)
            print(browse_hint(config.tracking, tracker.url()), flush=True)
        strategy.check_results(summary.results)


def _run_jobs(strategy: Strategy, runner: JobRunner) -> None:
    strategy.start()
    with _libraries_excluded_from_gc():
        while jobs := strategy.ask():
            runner.run(jobs)
            for job in jobs:
                strategy.tell(job, runner.results[job.config_hash])


def _print_known_results(strategy: Strategy, sweep_run_id: str) -> None:
    """Print the summary of a sweep that has no job left. Its run in the store is not changed."""
    summary = _summarize(strategy, {}, sweep_run_id)
    summary.print()
    tracking = strategy.config.tracking
    assert isinstance(tracking, MlflowTracking)  # The store has the sweep.
    print(browse_hint(tracking, RunStore(tracking).url(sweep_run_id)), flush=True)
    strategy.check_results(summary.results)


def _summarize(
    strategy: Strategy, new: Mapping[str, JobResult], resumed_run_id: str | None
) -> SweepSummary:
    """Complete the strategy, and return the summary of all its jobs.

    Args:
        new: the results of this call of the command.
        resumed_run_id: the run of the sweep in which an earlier call ran jobs.
    """
    strategy.finish()
    results = {**strategy.known_results, **new}
    skipped = _other_results(strategy, new, resumed_run_id)
    best_job = strategy.best_job(results)
    return SweepSummary(strategy.jobs, results, skipped, best_job, strategy.log_settings)


def _other_results(
    strategy: Strategy, new: Mapping[str, JobResult], resumed_run_id: str | None
) -> frozenset[str]:
    """Return the keys of known results that only single runs or other sweeps produced."""
    own = strategy.previous_runs.hashes_of_jobs(resumed_run_id) if resumed_run_id else frozenset()
    return frozenset(strategy.known_results) - frozenset(new) - own


@contextmanager
def _libraries_excluded_from_gc() -> Iterator[None]:
    """Exclude the objects that exist now from garbage collection.

    Keras collects garbage before each run. Traversing all objects of TensorFlow takes as long as
    training the softmax model.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
