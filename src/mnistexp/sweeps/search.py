"""A search: Optuna proposes what is tried next, by what came out so far."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override

from mnistexp.analysis import short_names
from mnistexp.config.sweep import TrialConfig
from mnistexp.errors import ConfigError, InputError, SweepFailed
from mnistexp.experiment.pruning import build_pruner, open_storage, require_optuna
from mnistexp.sweeps.grid import checked_jobs
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.job_result import JobResult
from mnistexp.sweeps.job_runner import JobRunner, sweep_run
from mnistexp.sweeps.jobs import Job
from mnistexp.sweeps.launchers import LauncherTraits, launcher_traits
from mnistexp.sweeps.progress import SweepProgress
from mnistexp.sweeps.search_config import SearchConfig, build_sampler, read_settings
from mnistexp.sweeps.search_space import Space, build_space, grid_of
from mnistexp.sweeps.summary import SweepSummary
from mnistexp.sweeps.validation import Store
from mnistexp.tracking import MlflowTracking, Tracker

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial


def run_search(session: HydraSession, settings: Any, overrides: Sequence[Override]) -> None:
    """Try what Optuna proposes, until the trials or the minutes are used up.

    Args:
        settings: of `hydra.sweeper`, as they were composed.

    Raises:
        ConfigError: the search cannot work; nothing has been trained.
    """
    require_optuna()
    config = read_settings(settings)
    space = build_space(overrides)
    engine = launcher_traits(session.launcher, config.num_at_once)
    print(f"checking what is searched: {', '.join(space.open)} …", flush=True)
    jobs = _checked_extremes(session, space, engine)
    _check_pruning(config, jobs[0])
    search = Search(session, config, space, engine, jobs[0])
    print(search.describe(), flush=True)
    if not jobs[0].config.sweep.dry_run:
        search.run()


def _checked_extremes(session: HydraSession, space: Space, engine: LauncherTraits) -> list[Job]:
    """Jobs with the ends of every range and with every choice."""
    try:
        extremes = [space.overrides(values) for values in space.extremes()]
        return checked_jobs(session.composer, extremes, engine)[0]
    except ConfigError as error:
        first = str(error).splitlines()[0]
        hint = " For whole numbers write int(interval(…))" if "whole number" in first else ""
        raise ConfigError(first + hint) from error


def _check_pruning(config: SearchConfig, job: Job) -> None:
    """A pruner needs its objective while the training goes on."""
    objective = config.objectives[0]
    watched = job.config.train.watched_splits if not job.config.unused_sections else []
    prefixes = {"validation": "val", "test": "test"}
    metrics = {f"{prefixes[split]}_{kind}" for split in watched for kind in ("accuracy", "loss")}
    if config.pruner != "none" and objective not in metrics:
        raise ConfigError(
            f"hydra.sweeper.pruner: expected {objective} to be measured while training. "
            f"Received: train.evaluate_on={job.config.train.evaluate_on}"
        )


class Search:
    """A study of Optuna's, and the runs of its trials."""

    def __init__(
        self,
        session: HydraSession,
        config: SearchConfig,
        space: Space,
        engine: LauncherTraits,
        example: Job,
    ) -> None:
        """Args: example: one of the jobs that may come up."""
        self._session = session
        self._config = config
        self._space = space
        self._engine = engine
        self._tracking = example.config.tracking
        self._rerun = example.config.sweep.rerun
        self._storage = str(Path(config.storage).absolute())
        self._hash = _hash_of(config, space)
        self._name = config.study or self._hash[:12]
        self._grid = grid_of(space) if config.sampler == "grid" else []
        self._study = self._open_study()
        self._store = Store([example])
        self._jobs: dict[str, Job] = {}
        self._known: dict[str, JobResult] = {}

    def describe(self) -> str:
        """What will be done, in one line."""
        words = [f"search by {self._config.sampler} for {' and '.join(self._config.objectives)}"]
        if self._num_done:
            words.append(f"{self._num_done} trials done before")
        if self._num_left is not None:
            words.append(f"{self._num_left} trials to do")
        if self._config.timeout_minutes is not None:
            words.append(f"at most {self._config.timeout_minutes:g} minutes")
        return ", ".join(words)

    def run(self) -> None:
        """Try what Optuna proposes. A trial that fails is a trial; the search goes on.

        Raises:
            SweepFailed: no trial of the study has a result.
        """
        resume_interrupted(self._study)
        deadline = time.monotonic() + 60 * (self._config.timeout_minutes or float("inf"))
        with sweep_run(
            self._session,
            self._tracking,
            self._engine,
            SweepProgress(self._num_left, self._engine.num_at_once or self._config.num_at_once),
            [*self._space.open],
            name=f"search-{'-'.join(short_names([*self._space.open]).values())}",
            sweep_hash=self._hash,
            resume=self._store.sweep_run(self._hash),
            close=self._close,
        ) as conductor:
            while self._num_left != 0 and time.monotonic() < deadline:
                self._run_batch(conductor)
            if not any(trial.state.name == "COMPLETE" for trial in self._study.trials):
                raise SweepFailed("every trial of the search has failed")

    @property
    def _num_done(self) -> int:
        """Trials that count; one that was interrupted is tried again."""
        return sum(t.state.is_finished() and not _interrupted(t) for t in self._study.trials)

    @property
    def _num_left(self) -> int | None:
        """Trials that are still to be done; None: as many as the minutes allow."""
        in_grid = len(self._grid) or None
        limits = [limit for limit in (self._config.n_trials, in_grid) if limit is not None]
        return max(0, min(limits) - self._num_done) if limits else None

    def _open_study(self) -> "Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            study_name=self._name,
            storage=open_storage(self._storage),
            pruner=build_pruner(self._config.pruner),
            directions=self._config.directions,
            load_if_exists=True,
        )
        if not study.trials:
            for values in self._grid:
                study.enqueue_trial(dict(values))
        # A sampler that is seeded alike in each call would propose the same trials again.
        study.sampler = build_sampler(self._config, len(study.trials))
        return study

    def _run_batch(self, conductor: JobRunner) -> None:
        """Ask for some trials, run them, and tell how they ended."""
        count = min(self._config.num_at_once, self._num_left or self._config.num_at_once)
        asked = [self._study.ask(self._space.open) for _ in range(count)]
        jobs: dict[str, tuple[Job, Trial]] = {}
        for trial in asked:
            job = self._compose(trial)
            if job is not None:
                jobs.setdefault(job.config_hash, (job, trial))
                trial.set_user_attr("config_hash", job.config_hash)
        new = [(job, trial) for job, trial in jobs.values() if not self._is_known(job)]
        conductor.run([job for job, _ in new], [self._trial_config(trial) for _, trial in new])
        self._known |= conductor.outcomes
        for trial in asked:
            self._tell(trial)

    def _compose(self, trial: "Trial") -> Job | None:
        """The job of a trial; None if its values cannot go together."""
        try:
            job = self._session.composer.compose(self._space.overrides(trial.params))
        except InputError as error:
            trial.set_user_attr("reason", str(error))
            print(f"trial {trial.number} cannot work: {error}", flush=True)
            return None
        return self._jobs.setdefault(job.config_hash, job)

    def _is_known(self, job: Job) -> bool:
        """Whether the same run is in the store, from another search for example."""
        if self._rerun == "all":
            return job.config_hash in self._known
        found = self._store.outcomes([job]).get(job.config_hash)
        if found is not None and found.status == "finished":
            self._known.setdefault(job.config_hash, found)
        return job.config_hash in self._known

    def _trial_config(self, trial: "Trial") -> TrialConfig:
        return TrialConfig(
            storage=self._storage,
            study=self._name,
            number=trial.number,
            objective=self._config.objectives[0],
            direction=self._config.directions[0],
            pruner=self._config.pruner,
        )

    def _tell(self, trial: "Trial") -> None:
        """Tell Optuna how a trial ended."""
        from optuna.trial import TrialState

        outcome = self._known.get(trial.user_attrs.get("config_hash", ""))
        if outcome is not None:
            trial.set_user_attr("run_id", outcome.run_id)
            trial.set_user_attr("reason", outcome.message)
        if outcome is not None and outcome.status == "pruned":
            self._study.tell(trial, state=TrialState.PRUNED)
        elif outcome is None or outcome.status != "finished":
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, [outcome.metrics[name] for name in self._config.objectives])

    def _close(self, tracker: Tracker, outcomes: Mapping[str, JobResult]) -> None:
        """Compare all trials of the study, also of earlier calls."""
        resume_interrupted(self._study)
        for trial in self._study.trials:
            self._recall(trial)
        jobs = list(self._jobs.values())
        every = {**self._known, **outcomes}
        best = self._best_job()
        SweepSummary(jobs, every, frozenset(every) - frozenset(outcomes), best).close(
            tracker, self._tracking
        )
        if isinstance(self._tracking, MlflowTracking):
            self._log_study(tracker)
        self._print_front()

    def _recall(self, trial: "FrozenTrial") -> None:
        """Compose the job of a trial of an earlier call, and find how it ended."""
        if trial.user_attrs.get("config_hash") in self._jobs or not trial.state.is_finished():
            return
        try:
            job = self._session.composer.compose(self._space.overrides(trial.params))
        except InputError:
            return
        self._jobs[job.config_hash] = job
        self._known |= {
            k: v for k, v in self._store.outcomes([job]).items() if k not in self._known
        }

    def _best_job(self) -> Job | None:
        """None with several objectives, of which none is the best by itself."""
        complete = [t for t in self._study.trials if t.state.name == "COMPLETE"]
        if len(self._config.objectives) > 1 or not complete:
            return None
        return self._jobs.get(self._study.best_trial.user_attrs["config_hash"])

    def _log_study(self, tracker: Tracker) -> None:
        """Optuna's pictures, and its table of trials."""
        from mnistexp.analysis.figures.study import draw_study

        table = self._study.trials_dataframe()
        tracker.log_text(table.to_csv(index=False), "trials.csv")
        for name, figure in draw_study(self._study, self._config.objectives):
            tracker.log_figure(figure, f"study/{name}.png")

    def _print_front(self) -> None:
        """The trials that no other one beats in every objective."""
        if len(self._config.objectives) == 1:
            return
        print(f"Pareto front of {' and '.join(self._config.objectives)}:")
        for trial in sorted(self._study.best_trials, key=lambda trial: trial.values):
            figures = zip(self._config.objectives, trial.values, strict=True)
            words = [f"{name} {value:,.6g}" for name, value in figures]
            print(f"  trial {trial.number}: {'  '.join(words)}  {trial.params}", flush=True)


def resume_interrupted(study: "Study") -> None:
    """Trials that never ended are put in line again; their numbers stay taken."""
    from optuna.trial import Trial, TrialState

    for frozen in study.get_trials(states=[TrialState.RUNNING]):
        Trial(study, frozen._trial_id).set_user_attr("interrupted", True)
        study.tell(frozen.number, state=TrialState.FAIL)
        study.enqueue_trial(frozen.params)


def _interrupted(trial: "FrozenTrial") -> bool:
    return bool(trial.user_attrs.get("interrupted"))


def _hash_of(config: SearchConfig, space: Space) -> str:
    """By which the same search is known again: what is searched, and for what."""
    fixed = [word for word in space.fixed if not word.startswith(("++sweep.", "++tracking."))]
    told = [sorted(fixed), sorted((key, str(found)) for key, found in space.open.items())]
    return hashlib.sha256(repr([told, config.objectives, config.sampler]).encode()).hexdigest()
