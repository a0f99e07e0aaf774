"""Whether the test images were read before the final runs of the experiments of `record`."""

from collections.abc import Mapping, Sequence

from mnistexp.config.compose import RECORD_GROUP
from mnistexp.config.config import Config, flatten_config
from mnistexp.tracking import RunRecord
from mnistexp.verification.verify import ExperimentResult, PlannedRun

RECIPE_SECTIONS = ("model.", "optim.", "augmentation.", "train.")
"""Sections whose settings make a recipe."""
MEASUREMENT = (
    *("train.evaluate_on", "train.evaluate_every", "train.evaluate_early"),
    *("train.evaluate_at_start", "train.log_every", "train.checkpoint_every"),
)
"""Settings of these sections that say how a recipe is measured."""
SPLITS = ("data.validation_size", "data.train_size", "data.test_slice")
TEST_METRICS = ("test_", "evaluation/")
"""The starts of metrics of test images."""


def is_record(experiment: str) -> bool:
    """Return whether an experiment, `record=small`, belongs to the group `record`."""
    return experiment.startswith(f"{RECORD_GROUP}=")


def find_earlier_looks(planned: PlannedRun, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs of the recipe of an experiment that read test images in another way.

    These are runs with other splits, or ones that watched the test images during the training.
    Runs of the experiment itself, with any seed, read them once, at their end.
    """
    protocol = _protocol(_as_texts(planned.config))
    return [
        run
        for run in find_runs_of_recipe(planned, runs)
        if _protocol(run.params) != protocol
        and any(name.startswith(TEST_METRICS) for name in run.metrics)
    ]


def find_runs_of_recipe(planned: PlannedRun, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs of the recipe of an experiment, with any split of the data."""
    recipe = _recipe(_as_texts(planned.config))
    return [run for run in runs if _recipe(run.params) == recipe]


def describe_earlier_looks(experiment: str, looks: Sequence[RunRecord]) -> str:
    """Return a sentence about the runs of `find_earlier_looks`, of which there is at least one."""
    named = ", ".join(f"{run.name} ({run.run_id[:8]})" for run in looks[:3])
    more = f" and {len(looks) - 3} more" if len(looks) > 3 else ""
    return (
        f"{experiment}: the test images were read by other runs of the same recipe: {named}{more}. "
        "What was chosen after them may have been chosen on test images"
    )


def describe_seeds(result: ExperimentResult) -> str:
    """Return the test accuracy of each seed: `record=small, seeds 0, 1: 0.9951, 0.9948`."""
    seeds = ", ".join(run.params["seed"] for run in result.runs)
    values = ", ".join(f"{run.metrics['test_accuracy']:.4f}" for run in result.runs)
    return f"{result.experiment}, seed {seeds}: test accuracy {values}"


def _as_texts(config: Config) -> dict[str, str]:
    """Return the settings as MLflow stores them."""
    recorded = config.model_copy(update={"train": config.train.with_explicit_length()})
    return {name: str(value) for name, value in flatten_config(recorded).items()}


def _recipe(settings: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in settings.items()
        if name == "data.name" or (name.startswith(RECIPE_SECTIONS) and name not in MEASUREMENT)
    }


def _protocol(settings: Mapping[str, str]) -> list[str | None]:
    return [settings.get(name) for name in ("train.evaluate_on", *SPLITS)]
