"""The strategy in which Optuna proposes each trial from the results of earlier ones."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override

from mnistexp.config.run_names import short_names
from mnistexp.config.sweep import TrialConfig
from mnistexp.errors import ConfigError, InputError, SweepFailed
from mnistexp.experiment.pruning import build_pruner, open_storage, require_optuna
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.jobs import Job, JobResult
from mnistexp.sweeps.launchers import LauncherTraits, launcher_traits
from mnistexp.sweeps.search_config import (
    SearchConfig,
    build_sampler,
    check_objectives,
    parse_search_config,
)
from mnistexp.sweeps.search_space import SearchSpace, build_search_space
from mnistexp.sweeps.sweep import Strategy
from mnistexp.sweeps.validation import validate_jobs
from mnistexp.tracking import MlflowTracking, Tracker

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

RETRY_OF = "retry_of"
"""User attribute of a repeated trial: the number of the interrupted trial that it repeats."""
THREADS = "threads"
"""User attribute: `Job.threads`, which a later call with another launcher does not change."""


class OptunaStrategy(Strategy):
    """Runs the trials that a study of Optuna proposes. A trial that fails does not end it."""

    def __init__(self, session: HydraSession, settings: Any, overrides: Sequence[Override]) -> None:
        """Check the search space and open the study.

        Args:
            settings: the composed settings of `hydra.sweeper`.
            overrides: the overrides of the command line.

        Raises:
            ConfigError: the search cannot work.
        """
        require_optuna()
        self._search = parse_search_config(settings)
        self._space = build_search_space(overrides)
        self.varying = list(self._space.distributions)
        self.log_settings = frozenset(
            name
            for name, distribution in self._space.distributions.items()
            if getattr(distribution, "log", False)
        )
        print(f"checking the search space of {', '.join(self.varying)} …", flush=True)
        traits = launcher_traits(session.launcher, self._search.n_jobs)
        jobs = _validate_boundaries(session, self._space, traits)
        for job in jobs:
            check_objectives(self._search, job.config)
        super().__init__(session, traits, jobs[0])
        self.name = "-".join(["search", *short_names(self.varying).values()])
        self.sweep_hash = _search_hash(self._search, self._space)
        self._storage_file = str(Path(self._search.storage).absolute())
        self._study_name = self._search.study or self.sweep_hash[:12]
        self._grid = self._space.grid() if self._search.sampler == "grid" else []
        self._study = self._open_study()
        self._deadline = float("inf")
        self._jobs: dict[str, Job] = {}
        self._results: dict[str, JobResult] = {}
        self._running: dict[str, list[Trial]] = {}
        """The trials without a result, by `config_hash`; several may have the same values."""

    @property
    def jobs(self) -> Sequence[Job]:
        """The jobs of all trials, also those of earlier calls."""
        return list(self._jobs.values())

    @property
    def num_left(self) -> int | None:
        """The number of trials to run; None if only the time is limited."""
        limits = [n for n in (self._search.n_trials, len(self._grid) or None) if n is not None]
        return max(0, min(limits) - self._num_done) if limits else None

    def print_plan(self) -> None:
        """Print the sampler, the objectives and the number of trials."""
        search = self._search
        parts = [f"search with {search.sampler}, objective {' and '.join(search.objectives)}"]
        if self._num_done:
            parts.append(f"{self._num_done} trials finished earlier")
        if self.num_left is not None:
            parts.append(f"{self.num_left} trials to run")
        if search.timeout_minutes is not None:
            parts.append(f"at most {search.timeout_minutes:g} minutes")
        print(", ".join(parts), flush=True)

    def start(self) -> None:
        """Enqueue the trials of an interrupted call again, and start the time limit."""
        self._retry_interrupted()
        if self._search.timeout_minutes is not None:
            self._deadline = time.monotonic() + 60 * self._search.timeout_minutes

    def ask(self) -> list[Job]:
        """Return the jobs of the next trials, at most `n_jobs`, until the budget is used up."""
        jobs: list[Job] = []
        while not jobs and self.num_left != 0 and time.monotonic() < self._deadline:
            num_left = self.num_left
            for _ in range(min(self._search.n_jobs, num_left or self._search.n_jobs)):
                job = self._start_trial()
                if job is not None:
                    jobs.append(job)
        return jobs

    def tell(self, job: Job, result: JobResult) -> None:
        """Report a result to Optuna. A trial without a value of each objective has failed."""
        from optuna.trial import TrialState

        self._results[job.config_hash] = result
        missing = [name for name in self._search.objectives if name not in result.metrics]
        message = result.message
        if result.status == "finished" and missing:
            message = f"the run has no {' and no '.join(missing)}. {message}".strip()
        for trial in self._running.pop(job.config_hash):
            trial.set_user_attr("run_id", result.run_id)
            trial.set_user_attr("reason", message)
            if result.status == "pruned":
                self._study.tell(trial, state=TrialState.PRUNED)
            elif result.status != "finished" or missing:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, [result.metrics[name] for name in self._search.objectives])

    def best_job(self, results: Mapping[str, JobResult]) -> Job | None:
        """Return the job of the best trial; None with several objectives."""
        if len(self._search.objectives) > 1 or not self._has_completed_trials:
            return None
        best = self._jobs.get(self._study.best_trial.user_attrs["config_hash"])
        return best if best and best.config_hash in results else None

    def check_results(self, results: Mapping[str, JobResult]) -> None:
        """Raise SweepFailed if no trial of the study has a value."""
        if not self._has_completed_trials:
            reasons = [t.user_attrs.get("reason") for t in self._study.trials]
            last = next((f". The last one: {text}" for text in reversed(reasons) if text), "")
            raise SweepFailed(f"no trial of the search has a result{last}")

    def finish(self) -> None:
        """Enqueue interrupted trials, and compose the jobs of trials of earlier calls."""
        self._retry_interrupted()
        for trial in self._study.trials:
            if trial.state.is_finished() and trial.user_attrs.get("config_hash") not in self._jobs:
                self._restore_job(trial)
        self.known_results = self.previous_runs.results(self.jobs, self.sweep_hash)

    def log(self, tracker: Tracker, title: str) -> None:
        """Log Optuna's table and figures of the study, and print the Pareto front."""
        from mnistexp.analysis.figures.study import draw_study

        if isinstance(self.config.tracking, MlflowTracking):
            table = self._study.trials_dataframe()
            tracker.log_text(table.to_csv(index=False), "trials.csv")
            figures = draw_study(title, self._study, self._search.objectives)
            for name, figure in figures if self._has_completed_trials else []:
                tracker.log_figure(figure, f"study/{name}.png")
        if len(self._search.objectives) > 1:
            self._print_pareto_front()

    @property
    def _num_done(self) -> int:
        """The number of finished trials, without interrupted ones that were repeated."""
        trials = self._study.trials
        repeated = {trial.user_attrs.get(RETRY_OF) for trial in trials}
        return sum(t.state.is_finished() and t.number not in repeated for t in trials)

    @property
    def _has_completed_trials(self) -> bool:
        return any(trial.state.name == "COMPLETE" for trial in self._study.trials)

    def _open_study(self) -> "Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        in_memory = self.config.sweep.dry_run and not Path(self._storage_file).exists()
        storage = None if in_memory else open_storage(self._storage_file)
        name, pruner = self._study_name, build_pruner(self._search.pruner)
        # Creating a known study again would write to the file.
        if storage is not None and name in optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
        else:
            study = optuna.create_study(
                study_name=name,
                storage=storage,
                pruner=pruner,
                directions=self._search.directions,
                load_if_exists=True,  # Another process may just have created it.
            )
        study.sampler = build_sampler(self._search, len(study.trials))
        if not study.trials:
            for values in self._grid:
                study.enqueue_trial(values)
        return study

    def _retry_interrupted(self) -> None:
        """Mark trials of an interrupted call as failed, and enqueue their values again."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(states=[TrialState.RUNNING]):
            self._study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _start_trial(self) -> Job | None:
        """Ask Optuna for a trial. Return its job; None if nothing has to run for it."""
        from optuna.trial import TrialState

        trial = self._study.ask(self._space.distributions)
        try:
            job = self.session.compose(self._space.overrides(trial.params), self.traits.threads)
        except InputError as error:
            trial.set_user_attr("reason", str(error))
            self._study.tell(trial, state=TrialState.FAIL)
            print(f"trial {trial.number} cannot be run: {error}", flush=True)
            return None
        trial.set_user_attr("config_hash", job.config_hash)
        trial.set_user_attr(THREADS, job.threads)
        job = self._jobs[job.config_hash] = replace(job, trial=self._trial_config(trial))
        trials = self._running.setdefault(job.config_hash, [])
        trials.append(trial)
        known = self._known_result(job)
        if known:
            self.tell(job, known)
        is_running = len(trials) > 1  # For an earlier trial with the same values.
        return None if known or is_running else job

    def _known_result(self, job: Job) -> JobResult | None:
        """Return the result of an earlier trial or of a finished run of another sweep."""
        if job.config_hash in self._results:
            return self._results[job.config_hash]
        if self.config.sweep.rerun == "all":
            return None
        results = self.previous_runs.results([job], self.sweep_hash)
        result = results.get(job.config_hash)
        return result if result and result.status == "finished" else None

    def _trial_config(self, trial: "Trial") -> TrialConfig:
        return TrialConfig(
            storage=self._storage_file,
            study=self._study_name,
            number=trial.number,
            objective=self._search.objectives[0],
            pruner=self._search.pruner,
        )

    def _restore_job(self, trial: "FrozenTrial") -> None:
        """Add the job of a finished trial, unless its settings are no longer valid."""
        try:
            threads = trial.user_attrs.get(THREADS)
            job = self.session.compose(self._space.overrides(trial.params), threads)
        except InputError:
            return
        self._jobs.setdefault(job.config_hash, job)

    def _print_pareto_front(self) -> None:
        objectives = self._search.objectives
        print(f"Pareto front of {' and '.join(objectives)}:")
        for trial in sorted(self._study.best_trials, key=lambda trial: trial.values):
            values = zip(objectives, trial.values, strict=True)
            texts = [f"{name} {value:,.6g}" for name, value in values]
            print(f"  trial {trial.number}: {'  '.join(texts)}  {trial.params}", flush=True)


def _validate_boundaries(
    session: HydraSession, space: SearchSpace, traits: LauncherTraits
) -> list[Job]:
    """Return valid jobs that together have each choice and both ends of each range."""
    try:
        boundaries = [space.overrides(values) for values in space.boundary_trials()]
        return validate_jobs(session, boundaries, traits)[0]
    except ConfigError as error:
        first = str(error).splitlines()[0]
        hint = " For whole numbers write int(interval(…))" if "whole number" in first else ""
        raise ConfigError(first + hint) from error


def _search_hash(search: SearchConfig, space: SearchSpace) -> str:
    """Return a hash of the search space, objectives and sampler, which identify a search."""
    fixed = sorted(text for text in space.fixed if not text.startswith(("++sweep.", "++tracking.")))
    searched = sorted((path, str(found)) for path, found in space.distributions.items())
    content = [fixed, searched, search.objectives, search.sampler]
    return hashlib.sha256(repr(content).encode()).hexdigest()
