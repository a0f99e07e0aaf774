"""Run experiments with several seeds, and compare their results with the expectations."""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.config.config_hash import config_hash
from mnistexp.config.expectation import Expectation
from mnistexp.data import DataConfig, expected_digest, load_data
from mnistexp.errors import ConfigError, TrainingDiverged, did_you_mean
from mnistexp.experiment import run_experiment
from mnistexp.sweeps.previous_runs import PreviousRuns
from mnistexp.sweeps.progress import format_duration
from mnistexp.tracking import MlflowTracking, RunRecord, RunStore


@dataclass(frozen=True)
class PlannedRun:
    """A run of an experiment with one seed: its overrides, their config, and its hash."""

    experiment: str
    overrides: Sequence[str]
    config: Config
    config_hash: str


@dataclass(frozen=True)
class ExperimentResult:
    """The runs of an experiment, one for each seed, and what its file expects of them."""

    experiment: str
    expectation: Expectation
    runs: Sequence[RunRecord]

    @property
    def test_accuracies(self) -> list[float]:
        """The final test accuracies of the runs that did not diverge."""
        return [run.metrics["test_accuracy"] for run in self.runs if not run.diverged]

    @property
    def is_met(self) -> bool:
        """Whether the mean accuracy is in the interval, or all runs diverge as expected."""
        if len(self.test_accuracies) < len(self.runs):
            return self.expectation.diverges and not self.test_accuracies
        return self.expectation.is_met(statistics.mean(self.test_accuracies))

    @property
    def accuracy_text(self) -> str:
        """The test accuracy as text: mean and standard deviation, or `diverged`."""
        return self.mean_and_std("test_accuracy") if self.test_accuracies else "diverged"

    def median(self, metric: str) -> float | None:
        """Return the median of a final metric over the seeds; None if no run has the metric."""
        values = self._values(metric)
        return statistics.median(values) if values else None

    def mean_and_std(self, metric: str) -> str:
        """Return `0.9912 ± 0.0004`, `0.9912` for one seed, `–` if no run has the metric."""
        values = self._values(metric)
        if not values:
            return "–"
        deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.4f}{deviation}"

    def _values(self, metric: str) -> list[float]:
        return [run.metrics[metric] for run in self.runs if metric in run.metrics]


def find_experiments(names: Sequence[str]) -> list[str]:
    """Return the experiments that names stand for: `lab` (a group), `lab=3_0_conv` or `3_0_conv`.

    Raises:
        ConfigError: there is no such group or experiment.
    """
    groups = {group: list_groups().get(group, []) for group in EXPERIMENT_GROUPS}
    experiments = [f"{group}={option}" for group, options in groups.items() for option in options]
    found: list[str] = []
    for name in names:
        matches = [known for known in experiments if name in (known, *known.split("="))]
        if not matches:
            available = [group for group in groups if groups[group]]
            options = [option for options in groups.values() for option in options]
            suggestion = did_you_mean(name, [*available, *experiments, *options])
            raise ConfigError(
                f"{name}: expected an experiment or one of the groups {', '.join(available)}. "
                f"Received: {name!r}.{suggestion}"
            )
        found += [experiment for experiment in matches if experiment not in found]
    return found


class NoExpectation(ConfigError):
    """The file of an experiment does not say what is expected."""


def plan_runs(
    experiments: Sequence[str], num_seeds: int
) -> tuple[list[PlannedRun], list[ConfigError]]:
    """Return the runs of experiments with the seeds 0, 1, …; all runs of seed 0 come first.

    Returns:
        The runs, and the errors of the experiments that are left out, because their files are not
        valid or have no expectation.
    """
    first, errors = [], []
    for experiment in experiments:
        try:
            first.append(_plan_run(experiment))
        except ConfigError as error:
            errors.append(error)
    return [_with_seed(planned, seed) for seed in range(num_seeds) for planned in first], errors


def missing_runs(planned: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return the planned runs that have neither finished nor diverged in the store."""
    stored = _stored_runs(planned)
    return [run for run in planned if run.config_hash not in stored]


def describe_plan(num_planned: int, missing: Sequence[PlannedRun]) -> str:
    """Return `5 runs, 3 finished earlier, 2 to run, about 40 s`."""
    parts = [f"{num_planned} {'run' if num_planned == 1 else 'runs'}"]
    if len(missing) < num_planned:
        parts += [f"{num_planned - len(missing)} finished earlier", f"{len(missing)} to run"]
    return ", ".join(parts + ([_estimate_time(missing)] if missing else []))


def _estimate_time(missing: Sequence[PlannedRun]) -> str:
    previous = PreviousRuns(missing[0].config.tracking)
    times = [previous.mean_seconds(run.config) for run in missing]
    known = [time for time in times if time is not None]
    if not known:
        return "unknown time: the store has no similar run"
    num_unknown = len(times) - len(known)
    rest = f" and the unknown time of {num_unknown}" if num_unknown else ""
    return f"about {format_duration(sum(known))}{rest}"


def run_planned(run: PlannedRun) -> None:
    """Run an experiment. A training that diverges is a result too."""
    with suppress(TrainingDiverged):  # `collect_results` reads it from the store.
        run_experiment(*compose_config(list(run.overrides)))


def collect_results(planned: Sequence[PlannedRun]) -> list[ExperimentResult]:
    """Return the results of the experiments that have a run in the store."""
    stored = _stored_runs(planned)
    expectations = {run.experiment: run.config.expect for run in planned}
    found: dict[str, list[RunRecord]] = {experiment: [] for experiment in expectations}
    for run in planned:
        if run.config_hash in stored:
            found[run.experiment].append(stored[run.config_hash])
    return [
        ExperimentResult(experiment, expectation, found[experiment])
        for experiment, expectation in expectations.items()
        if found[experiment] and expectation is not None
    ]


def _plan_run(experiment: str) -> PlannedRun:
    config, _ = compose_config([experiment])
    if config.expect is None:
        raise NoExpectation(f"{experiment}: expected a file with `expect:`. Received: one without")
    overrides = [experiment, *config.expect.shortened]
    if config.expect.shortened:
        config, _ = compose_config(overrides)
    return PlannedRun(experiment, overrides, config, _hash(config))


def _with_seed(planned: PlannedRun, seed: int) -> PlannedRun:
    # Composing the config again would take ten times as long.
    config = planned.config.model_copy(update={"seed": seed})
    overrides = [*planned.overrides, f"seed={seed}"]
    return PlannedRun(planned.experiment, overrides, config, _hash(config))


def _hash(config: Config, threads: int | None = None) -> str:
    data = config.data
    return config_hash(config, _data_digest(data.name, data.directory, data.url), threads)


@cache
def _data_digest(name: str, directory: str | None, url: str | None) -> str:
    # `results` lists experiments on data that may not have been downloaded.
    expected = expected_digest(name) if directory is None else None
    return expected or load_data(DataConfig(name=name, directory=directory, url=url)).digest


def _stored_runs(planned: Sequence[PlannedRun]) -> Mapping[str, RunRecord]:
    """Return the finished and the diverged runs of the store by the hash of the planned run.

    Runs with any number of threads count, because it has no effect on what an experiment shows.
    """
    tracking = planned[0].config.tracking
    assert isinstance(tracking, MlflowTracking)
    stored = {
        run.tags["config_hash"]: run
        for run in RunStore(tracking).runs(missing_ok=True)
        if "config_hash" in run.tags and (run.status == "FINISHED" or run.diverged)
    }
    all_threads = {run.threads for run in stored.values()}
    return {
        run.config_hash: stored[found]
        for run in planned
        for found in (_hash(run.config, threads) for threads in all_threads)
        if found in stored
    }
