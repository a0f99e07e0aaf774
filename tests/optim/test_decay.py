"""Learning-rate schedules, compared with their formulas."""

import math

import numpy as np
import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.errors import ConfigError
from mnistexp.optim import build_optimizer, build_schedule

NUM_STEPS = 1_000
STEPS_PER_EPOCH = 429.6875  # 55,000 images in batches of 128.


def learning_rates(*overrides: str) -> np.ndarray:
    """Return the learning rate of each step, read from the optimizer."""
    config, _ = compose_config(list(overrides))
    schedule = build_schedule(
        config.optim.decay, config.optim.learning_rate, NUM_STEPS, STEPS_PER_EPOCH
    )
    optimizer = build_optimizer(config.optim, schedule)
    values = []
    for step in range(NUM_STEPS):
        optimizer.iterations.assign(step)
        values.append(float(optimizer.learning_rate))
    return np.array(values)


def cosine_with_warmup(step: int) -> float:
    if step < 100:
        return 0.003 * step / 100
    return 0.0005 + (0.003 - 0.0005) * 0.5 * (1 + math.cos(math.pi * (step - 100) / 900))


def one_cycle(step: int) -> float:
    position = step / 999
    start, end = 0.01 / 25, 0.01 / 25 / 10_000
    if position < 0.3:
        return 0.01 + (start - 0.01) * 0.5 * (1 + math.cos(math.pi * position / 0.3))
    return end + (0.01 - end) * 0.5 * (1 + math.cos(math.pi * (position - 0.3) / 0.7))


@pytest.mark.parametrize(
    ("overrides", "formula"),
    [
        (["optim=sgd"], lambda step: 0.5),
        (["optim=adam_decay"], lambda step: 0.0001 + 0.003 * math.exp(-step / 2000)),
        (
            ["optim=sgd", "optim/decay=exponential_per_epoch", "optim.learning_rate=0.01"],
            lambda step: 0.01 * 0.666 ** (step * 128 // 55_000),
        ),
        (["optim=adam_inverse_time"], lambda step: 0.003 / (1 + 0.001 * step)),
        (
            ["optim=adamw_cosine", "optim.decay.floor=0.0005", "optim.decay.warmup_fraction=0.1"],
            cosine_with_warmup,
        ),
        (["optim=adam_onecycle"], one_cycle),
        (
            ["optim=adam_lab", "optim/decay=piecewise", "optim.decay.boundaries=[200,400]"],
            lambda step: 0.003 * (1 if step < 200 else 0.1 if step < 400 else 0.01),
        ),
    ],
)
def test_a_schedule_agrees_with_its_formula(overrides: list[str], formula: object) -> None:
    assert callable(formula)
    expected = [formula(step) for step in range(NUM_STEPS)]
    np.testing.assert_allclose(learning_rates(*overrides), expected, rtol=2e-5, atol=1e-9)


def test_every_decay_is_compared_with_its_formula() -> None:
    parametrize = test_a_schedule_agrees_with_its_formula.pytestmark[0]  # type: ignore[attr-defined]
    tested = {compose_config(overrides)[0].optim.decay.type for overrides, _ in parametrize.args[1]}
    assert tested == set(list_groups()["optim/decay"])


@pytest.mark.parametrize(
    "override", ["optim.decay.boundaries=[400,200]", "optim.decay.boundaries=[200]"]
)
def test_boundaries_that_do_not_match_the_factors_or_do_not_rise_are_rejected(
    override: str,
) -> None:
    with pytest.raises(ConfigError, match="optim.decay"):
        compose_config(["optim/decay=piecewise", override])
