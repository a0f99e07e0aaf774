"""A sweep over a grid, from the words to the leaderboard."""

import hashlib
from collections.abc import Mapping, Sequence

from mnistexp.analysis import short_names
from mnistexp.errors import ConfigError, SweepFailed
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.job_result import JobResult
from mnistexp.sweeps.job_runner import sweep_run
from mnistexp.sweeps.jobs import Composer, Job, varying_settings
from mnistexp.sweeps.launchers import LauncherTraits, check_launcher, launcher_traits
from mnistexp.sweeps.leaderboard import best_job
from mnistexp.sweeps.progress import SweepProgress
from mnistexp.sweeps.summary import SweepSummary
from mnistexp.sweeps.validation import (
    Problem,
    Store,
    build_models,
    compose_jobs,
    left_to_do,
    print_plan,
)
from mnistexp.tracking import Tracker


def run_grid(session: HydraSession, grid: Sequence[Sequence[str]]) -> None:
    """Do the jobs of a grid that are not done yet, and compare all of them.

    Raises:
        ConfigError: a combination cannot work; nothing has been trained.
        SweepFailed: jobs have failed; the others are done.
    """
    print(f"checking {len(grid)} jobs …", flush=True)
    engine = launcher_traits(session.launcher, len(grid))
    jobs, parameters = checked_jobs(session.composer, grid, engine)
    store = Store(jobs)
    settings = jobs[0].config.sweep
    before = store.outcomes(jobs)
    todo = left_to_do(jobs, before, settings.rerun)
    print_plan(jobs, todo, parameters, store.seconds, engine.num_at_once or 1)
    if settings.dry_run:
        return
    resume = None if settings.rerun == "all" else store.sweep_run(_hash_of(jobs))
    again = {job.config_hash for job in todo}
    known = {key: outcome for key, outcome in before.items() if key not in again}
    _conduct(session, jobs, todo, known, engine, resume)


def checked_jobs(
    composer: Composer, grid: Sequence[Sequence[str]], engine: LauncherTraits
) -> tuple[list[Job], Mapping[str, int | None]]:
    """The jobs that can work, and the number of parameters of each recipe.

    Raises:
        ConfigError: a combination cannot work, and `sweep.skip_invalid` does not leave it out.
    """
    jobs, problems = compose_jobs(composer, grid)
    _refuse(problems, jobs)
    check_launcher(engine, jobs, varying_settings(jobs))
    parameters, unbuildable = build_models(jobs, engine.in_process)
    jobs = [job for job in jobs if job.seedless_hash in parameters]
    _refuse(unbuildable, jobs)
    for problem in [*problems, *unbuildable]:
        print(f"left out: {problem}", flush=True)
    return jobs, parameters


def _refuse(problems: Sequence[Problem], jobs: Sequence[Job]) -> None:
    """Refuse a sweep with problems, unless they are to be left out and jobs remain."""
    skip = bool(jobs) and jobs[0].config.sweep.skip_invalid
    if not problems or skip:
        return
    remedy = ". sweep.skip_invalid=true leaves such combinations out" if jobs else ""
    raise ConfigError("\n".join(map(str, problems)) + remedy)


def _conduct(
    session: HydraSession,
    jobs: Sequence[Job],
    todo: Sequence[Job],
    known: Mapping[str, JobResult],
    engine: LauncherTraits,
    resume: str | None,
) -> None:
    """Run what is to be done as children of the sweep's own run, and compare all jobs."""
    tracking = jobs[0].config.tracking
    different = varying_settings(jobs)
    skipped = frozenset(
        key for key, outcome in known.items() if outcome.parent is None or outcome.parent != resume
    )

    def close(tracker: Tracker, outcomes: Mapping[str, JobResult]) -> None:
        every = {**known, **outcomes}
        SweepSummary(jobs, every, skipped, best_job(jobs, every)).close(tracker, tracking)

    with sweep_run(
        session,
        tracking,
        engine,
        SweepProgress(len(todo), engine.num_at_once or 1),
        different,
        name="-".join(["sweep", *(short_names(different)[key] for key in different)]),
        sweep_hash=_hash_of(jobs),
        resume=resume,
        close=close,
    ) as conductor:
        conductor.run(todo)
        every = {**known, **conductor.outcomes}
        failed = sum(outcome.status in ("failed", "killed") for outcome in every.values())
        if failed:
            raise SweepFailed(
                f"{failed} of {len(jobs)} jobs failed. The same command does it again"
            )


def _hash_of(jobs: Sequence[Job]) -> str:
    """By which the same sweep is known again, in whatever order its values are given."""
    return hashlib.sha256("".join(sorted(job.config_hash for job in jobs)).encode()).hexdigest()
