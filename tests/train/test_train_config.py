"""Length, intervals and segments of a training."""

from typing import Any

import pytest

from mnistexp.config.compose import compose_config


def train_config(*overrides: str) -> Any:
    return compose_config(list(overrides))[0].train


@pytest.mark.parametrize(
    ("overrides", "num_steps", "evaluations"),
    [
        ([], 2_750, [550, 1100, 1650, 2200, 2750]),
        (["train.epochs=2", "train.batch_size=128"], 860, [430, 860]),
        (["train.steps=1000"], 1_000, [550, 1000]),
        (["train.steps=120", "train.evaluate_every=50"], 120, [50, 100, 120]),
        (["train.epochs=4", "train.evaluate_every=2 epochs"], 2_200, [1100, 2200]),
        (
            [
                *("train.steps=120", "train.evaluate_every=50 steps"),
                *("train.log_every=20", "train.evaluate_early=true"),
            ],
            120,
            [20, 40, 50, 100, 120],
        ),
        (["train.epochs=2", "train.evaluate_at_start=true"], 1_100, [0, 550, 1100]),
    ],
)
def test_number_of_steps_and_evaluation_steps(
    overrides: list[str], num_steps: int, evaluations: list[int]
) -> None:
    assert train_config(*overrides).num_steps(55_000) == num_steps
    assert train_config(*overrides).evaluation_steps(55_000) == evaluations


def test_an_evaluation_at_the_start_adds_no_segment() -> None:
    settings = ["train.steps=100", "train.log_every=50", "train.evaluate_at_start=true"]
    assert train_config(*settings).segments(55_000) == [(0, 50), (50, 100)]


def test_segments_cover_all_steps_and_end_at_each_log_or_evaluation() -> None:
    segments = train_config(
        "train.steps=120", "train.log_every=50", "train.evaluate_every=80"
    ).segments(55_000)
    assert segments == [(0, 50), (50, 80), (80, 100), (100, 120)]
