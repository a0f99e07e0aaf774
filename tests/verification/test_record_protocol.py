"""`verify` says which runs of a recipe of `record` read the test images in another way."""

from collections.abc import Mapping
from datetime import datetime

import pytest

from mnistexp.config.compose import SEARCH_SETTINGS, compose_config
from mnistexp.config.config import flatten_config
from mnistexp.tracking import RunRecord
from mnistexp.verification import ExperimentResult, PlannedRun
from mnistexp.verification.record_protocol import (
    describe_earlier_looks,
    describe_seeds,
    find_earlier_looks,
)

RECIPE = [
    *("model=conv_small", "optim=adamw", "optim/decay=one_cycle", "optim.learning_rate=0.01"),
    *("augmentation=affine", "train.epochs=20"),
]
FINAL = ["data=mnist_60000", "train.evaluate_on=[]"]
TESTED = {"test_accuracy": 0.995}


def planned() -> PlannedRun:
    overrides = ["record=small"]
    return PlannedRun(overrides[0], overrides, compose_config(overrides)[0], "hash")


def stored(metrics: Mapping[str, float], *overrides: str) -> RunRecord:
    config = compose_config(list(overrides))[0]
    params = {name: str(value) for name, value in flatten_config(config).items()}
    start = datetime(2026, 1, 1)
    return RunRecord("0123456789", "any", "FINISHED", start, None, params, metrics, {})


@pytest.mark.parametrize(
    ("overrides", "metrics", "is_look"),
    [
        ([*RECIPE], TESTED, True),  # It was measured on validation and on test images.
        ([*RECIPE, "seed=3", "data.validation_size=10000"], TESTED, True),
        ([*RECIPE, "data=mnist_60000", "train.evaluate_on=[test]"], TESTED, True),
        ([*RECIPE], {"val_accuracy": 0.99, "evaluation/mnist/accuracy": 0.995}, True),
        (["record=small", *SEARCH_SETTINGS.split()], {"val_accuracy": 0.99}, False),
        (["record=small", "seed=4"], TESTED, False),  # A run of the experiment itself.
        ([*RECIPE, *FINAL, "seed=4"], TESTED, False),
        ([*RECIPE, "optim.learning_rate=0.02"], TESTED, False),  # Another recipe.
        ([*RECIPE, "train.epochs=10"], TESTED, False),
    ],
)
def test_runs_of_the_recipe_that_read_test_images_in_another_way_are_found(
    overrides: list[str], metrics: dict[str, float], is_look: bool
) -> None:
    run = stored(metrics, *overrides)
    assert find_earlier_looks(planned(), [run]) == ([run] if is_look else [])


def test_the_runs_are_named() -> None:
    text = describe_earlier_looks("record=small", [stored(TESTED, *RECIPE)] * 5)
    assert "the test images were read by other runs of the same recipe: any (01234567)" in text
    assert "and 2 more" in text


def test_each_seed_is_shown_with_its_accuracy() -> None:
    expectation = planned().config.expect
    assert expectation is not None
    runs = [
        stored(TESTED, "record=small"),
        stored({"test_accuracy": 0.9}, "record=small", "seed=1"),
    ]
    result = ExperimentResult("record=small", expectation, runs)
    assert describe_seeds(result) == "record=small, seed 0, 1: test accuracy 0.9950, 0.9000"
