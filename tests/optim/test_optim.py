"""Every schedule against its formula, every optimizer against Keras."""

import inspect
import math
from typing import get_args

import keras
import numpy as np
import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.errors import ConfigError
from mnistexp.optim import OptimConfig, build_optimizer

NUM_STEPS = 1_000
STEPS_PER_EPOCH = 429.6875  # 55,000 images in batches of 128.


def rates(*overrides: str) -> np.ndarray:
    """The learning rate of each step as the optimizer itself has it."""
    config, _ = compose_config(list(overrides))
    optimizer = build_optimizer(config.optim, NUM_STEPS, STEPS_PER_EPOCH)
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
            ["optim=adam", "optim/decay=piecewise", "optim.decay.boundaries=[200,400]"],
            lambda step: 0.003 * (1 if step < 200 else 0.1 if step < 400 else 0.01),
        ),
    ],
)
def test_a_schedule_agrees_with_its_formula(overrides: list[str], formula: object) -> None:
    assert callable(formula)
    expected = [formula(step) for step in range(NUM_STEPS)]
    np.testing.assert_allclose(rates(*overrides), expected, rtol=2e-5, atol=1e-9)


def test_every_decay_has_a_preset_and_a_formula() -> None:
    parametrize = test_a_schedule_agrees_with_its_formula.pytestmark[0]  # type: ignore[attr-defined]
    tested = {compose_config(overrides)[0].optim.decay.type for overrides, _ in parametrize.args[1]}
    assert tested == set(list_groups()["optim/decay"])


@pytest.mark.parametrize(
    "override", ["optim.decay.boundaries=[400,200]", "optim.decay.boundaries=[200]"]
)
def test_boundaries_that_do_not_fit_are_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="optim.decay"):
        compose_config(["optim/decay=piecewise", override])


def test_every_optimizer_of_keras_is_there_with_its_settings() -> None:
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
    offered = {name for name in dir(keras.optimizers) if name[0].isupper()} - wrappers
    members = get_args(get_args(OptimConfig)[0])
    assert {member.keras_class for member in members} == offered
    for member in members:
        known = inspect.signature(getattr(keras.optimizers, member.keras_class)).parameters
        for name, info in member.model_fields.items():
            if name in ("type", "decay"):
                continue
            assert name in known, f"{member.keras_class}.{name}"
            if name != "learning_rate":
                assert info.default == known[name].default, f"{member.keras_class}.{name}"


def test_every_optimizer_can_be_built() -> None:
    for member in get_args(get_args(OptimConfig)[0]):
        tag = get_args(member.model_fields["type"].annotation)[0]
        optimizer = build_optimizer(member(type=tag, learning_rate=0.01), NUM_STEPS, 550)
        assert type(optimizer).__name__ == member.keras_class


def test_momentum_reaches_the_optimizer() -> None:
    config, _ = compose_config(["optim=nesterov"])
    optimizer = build_optimizer(config.optim, NUM_STEPS, 550)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)
