"""Experiments against what they are expected to reach, over several seeds."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.config.config_hash import config_hash
from mnistexp.config.expectation import Expectation
from mnistexp.data import DataConfig, load_data
from mnistexp.errors import ConfigError, TrainingDiverged, did_you_mean
from mnistexp.experiment import run_experiment
from mnistexp.tracking import MlflowTracking, RunRecord, RunStore


@dataclass(frozen=True)
class Job:
    """One run that an experiment needs: what is typed for it, its config, and its hash."""

    experiment: str
    overrides: Sequence[str]
    config: Config
    config_hash: str


@dataclass(frozen=True)
class Reached:
    """What the runs of an experiment reached, one for each seed.

    test_accuracies: the final ones; none where the training diverged.
    """

    experiment: str
    expectation: Expectation
    runs: Sequence[RunRecord]

    @property
    def test_accuracies(self) -> list[float]:
        """The final test accuracy of each run that did not diverge."""
        return [run.metrics["test_accuracy"] for run in self.runs if not run.diverged]

    @property
    def is_met(self) -> bool:
        """The mean over the seeds lies in the interval; all diverged, if that is expected."""
        if len(self.test_accuracies) < len(self.runs):
            return self.expectation.diverges and not self.test_accuracies
        return self.expectation.is_met(statistics.mean(self.test_accuracies))

    def median(self, metric: str) -> float | None:
        """The median of a final metric over the seeds; None where no run has it."""
        values = [run.metrics[metric] for run in self.runs if metric in run.metrics]
        return statistics.median(values) if values else None

    def mean_and_std(self, metric: str) -> str:
        """`0.9912 ± 0.0004`, `0.9912` for one seed, `–` where no run has it."""
        values = [run.metrics[metric] for run in self.runs if metric in run.metrics]
        if not values:
            return "–"
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.4f}{spread}"


def find_experiments(words: Sequence[str]) -> list[str]:
    """The experiments that words name: a group `lab`, or one, `lab=3_0_conv` or `3_0_conv`.

    Raises:
        ConfigError: a word names neither.
    """
    known = {group: list_groups().get(group, []) for group in EXPERIMENT_GROUPS}
    every = [f"{group}={name}" for group, names in known.items() for name in names]
    found: list[str] = []
    for word in words:
        matches = [name for name in every if word in (name, *name.split("="))]
        if not matches:
            groups = [group for group in known if known[group]]
            names = [*groups, *every, *(name.split("=")[1] for name in every)]
            raise ConfigError(
                f"{word}: expected a group of experiments ({', '.join(groups)}) or one of them. "
                f"Received: {word!r}.{did_you_mean(word, names)}"
            )
        found += [name for name in matches if name not in found]
    return found


def plan(experiments: Sequence[str], num_seeds: int) -> list[Job]:
    """The runs that experiments need, seed 0 of all first.

    Raises:
        ConfigError: an experiment says nothing of what it expects.
    """
    first = [_job_of(experiment) for experiment in experiments]
    return [_with_seed(job, seed) for seed in range(num_seeds) for job in first]


def verify(
    jobs: Sequence[Job], on_start: Callable[[Job], None] = lambda _: None
) -> Iterator[Reached]:
    """Do the runs that are not in the store yet; then what each experiment reached.

    Args:
        jobs: of `plan`.
        on_start: is told each job that is run.
    """
    store = _store(jobs)
    for job in jobs:
        if job.config_hash not in store:
            on_start(job)
            _run(job)
    yield from reached(jobs)


def reached(jobs: Sequence[Job]) -> list[Reached]:
    """What the store has of the experiments; one without any run is left out."""
    store = _store(jobs)
    by_experiment: dict[str, list[Job]] = {}
    for job in jobs:
        by_experiment.setdefault(job.experiment, []).append(job)
    results = []
    for experiment, its_jobs in by_experiment.items():
        runs = [store[job.config_hash] for job in its_jobs if job.config_hash in store]
        expectation = its_jobs[0].config.expect
        assert expectation is not None
        if runs:
            results.append(Reached(experiment, expectation, runs))
    return results


def _job_of(experiment: str) -> Job:
    config, _ = compose_config([experiment])
    if config.expect is None:
        raise ConfigError(f"{experiment}: expected a file with `expect:`. Received: one without")
    overrides = [experiment, *config.expect.shortened]
    if config.expect.shortened:
        config, _ = compose_config(overrides)
    return Job(experiment, overrides, config, _hash(config))


def _with_seed(job: Job, seed: int) -> Job:
    # Composing anew takes ten times as long.
    config = job.config.model_copy(update={"seed": seed})
    return Job(job.experiment, [*job.overrides, f"seed={seed}"], config, _hash(config))


def _hash(config: Config) -> str:
    return config_hash(config, _digest(config.data))


@cache
def _digest_of(name: str, directory: str | None, url: str | None) -> str:
    return load_data(DataConfig(name=name, directory=directory, url=url)).digest


def _digest(config: DataConfig) -> str:
    return _digest_of(config.name, config.directory, config.url)


def _store(jobs: Sequence[Job]) -> Mapping[str, RunRecord]:
    tracking = jobs[0].config.tracking
    assert isinstance(tracking, MlflowTracking)
    return {
        run.tags["config_hash"]: run
        for run in RunStore(tracking).runs(missing_ok=True)
        if "config_hash" in run.tags and (run.status == "FINISHED" or run.diverged)
    }


def _run(job: Job) -> None:
    with suppress(TrainingDiverged):  # The store knows, and `reached` judges it.
        run_experiment(*compose_config(list(job.overrides)))
