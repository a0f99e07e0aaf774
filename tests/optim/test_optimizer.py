"""Optimizers: their settings and defaults are Keras' own, and every Keras class can be used."""

import inspect
from typing import get_args

import keras
import numpy as np
import pytest
from support import Command, build_optimization, network_config, train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.errors import ConfigError
from mnistexp.model import build_model
from mnistexp.optim import OptimConfig, build_optimizer
from mnistexp.optim.optimizer import OPTIMIZER_TYPES, AnyKerasOptimizer, KerasOptimizerName
from mnistexp.train.batch_order import BatchOrder

OPTIMIZER_CONFIGS = get_args(get_args(OptimConfig)[0])
CONFIGS_WITH_OWN_TYPE = [
    config_class for config_class in OPTIMIZER_CONFIGS if config_class is not AnyKerasOptimizer
]


def build(*overrides: str) -> keras.optimizers.Optimizer:
    config, _ = compose_config(list(overrides))
    return build_optimizer(config.optim, config.optim.learning_rate)


def test_the_class_names_are_those_of_the_installed_keras() -> None:
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
    installed = {name for name in dir(keras.optimizers) if name[0].isupper()} - wrappers
    assert set(get_args(KerasOptimizerName)) == installed


def test_the_types_are_those_of_the_config_classes() -> None:
    types = [
        get_args(config_class.model_fields["type"].annotation)[0]
        for config_class in OPTIMIZER_CONFIGS
    ]
    assert tuple(types) == OPTIMIZER_TYPES


@pytest.mark.parametrize("config_class", CONFIGS_WITH_OWN_TYPE)
def test_settings_have_the_names_and_defaults_of_keras(config_class: type) -> None:
    parameters = inspect.signature(getattr(keras.optimizers, config_class.keras_class)).parameters  # type: ignore[attr-defined]
    for name, info in config_class.model_fields.items():  # type: ignore[attr-defined]
        if name not in ("type", "decay", "learning_rate"):
            assert info.default == parameters[name].default, name


@pytest.mark.parametrize("class_name", get_args(KerasOptimizerName))
def test_every_class_of_keras_can_be_built_with_its_own_defaults(class_name: str) -> None:
    optimizer = build("optim=keras", f"optim.class_name={class_name}", "optim.learning_rate=0.001")
    assert type(optimizer).__name__ == class_name
    expected = getattr(keras.optimizers, class_name)(learning_rate=0.001)
    assert optimizer.get_config() == {**expected.get_config(), "name": optimizer.name}


def test_settings_reach_the_optimizer() -> None:
    optimizer = build("optim=nesterov", "optim.clipnorm=2.0")
    assert (optimizer.momentum, optimizer.nesterov, optimizer.clipnorm) == (0.9, True, 2.0)
    optimizer = build("optim=keras", "optim.config={beta_1: 0.8}", "optim.clipnorm=2.0")
    assert (type(optimizer).__name__, optimizer.beta_1, optimizer.clipnorm) == ("Nadam", 0.8, 2.0)


@pytest.mark.parametrize("class_name", ["Lamb", "Nadam"])
def test_a_class_of_keras_trains_as_in_plain_keras(class_name: str) -> None:
    settings = ["optim=keras", f"optim.class_name={class_name}", "optim/decay=cosine"]
    settings += ["optim.learning_rate=0.01", "train.steps=30", "train.evaluate_on=[]"]
    config, _ = compose_config([*settings, "data.train_size=2000"])
    data = load_data(config.data)
    network, _ = train_network(data, *settings)

    keras.utils.set_random_seed(1)
    plain = build_model(network_config())
    optimizer, _ = build_optimization(config, 2_000)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(optimizer, loss)
    for batch in BatchOrder(2_000, 100, "every_epoch", seed=1).take(30):
        plain.train_on_batch(data.train.images[batch] / np.float32(255), data.train.labels[batch])
    for trained, expected in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(trained, expected, atol=2e-4)
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.type=lamb"], "^optim.type: .*Use optim.type=keras optim.class_name=Lamb"),
        (["optim.type=nadam"], "^optim.type: .*Use optim.type=keras optim.class_name=Nadam"),
        (["optim.type=SGD"], "Received: 'SGD'. Use optim.type=keras optim.class_name=SGD"),
        (["optim.type=adm"], "^optim.type: expected one of .*Received: 'adm'. Did you mean adam"),
        (["optim=keras", "optim.class_name=Nadm"], "optim.class_name: .*Did you mean Nadam"),
        (
            ["optim=keras", "optim.config={use_ema: true}"],
            "optim.config.use_ema: expected the setting optim.use_ema instead. Received: True",
        ),
        (
            ["optim.clipnorm=1.0", "optim.clipvalue=1.0"],
            "optim.clipvalue: expected one kind of clipping. Received: clipnorm and clipvalue",
        ),
    ],
)
def test_a_wrong_setting_is_rejected_when_the_config_is_composed(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_config(overrides)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{beta1: 0.8}", "optim.config.beta1: expected an argument of Nadam.*Did you mean beta_1"),
        ("{beta_1: high}", "optim.config.beta_1: expected a number. Received: 'high'"),
    ],
)
def test_a_wrong_argument_of_a_keras_class_is_rejected_before_the_training(
    mnistexp: Command, config: str, message: str
) -> None:
    result = mnistexp("optim=keras", f"optim.config={config}", "tracking=none")
    assert result.exit_code == 2
    assert len(result.err.strip().splitlines()) == 1
    with pytest.raises(ConfigError, match=message):
        build("optim=keras", f"optim.config={config}")
