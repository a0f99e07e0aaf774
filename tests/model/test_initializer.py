"""Initializers and regularizers."""

from typing import get_args

import keras
import numpy as np
import pytest
from support import network_config

from mnistexp.model import build_model
from mnistexp.model.initializer import InitializerName


def build(*overrides: str) -> keras.Model:
    return build_model(network_config(*overrides))


def test_initializer_names_are_known_to_keras() -> None:
    for name in get_args(InitializerName):
        assert keras.initializers.get(name) is not None


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("0.1", keras.initializers.Constant),
        ("zeros", keras.initializers.Zeros),
        ("glorot_uniform", keras.initializers.GlorotUniform),
        ("{type: random_uniform, minval: -1.0}", keras.initializers.RandomUniform),
        ("{type: variance_scaling, scale: 2.0}", keras.initializers.VarianceScaling),
    ],
)
def test_an_initializer_can_be_a_number_a_name_or_a_mapping(setting: str, kind: type) -> None:
    network = build(f"model.layers.logits.bias_initializer={setting}")
    assert isinstance(network.get_layer("logits").bias_initializer, kind)


def test_truncated_normal_weights_have_the_given_standard_deviation() -> None:
    kernel = build("model=five_layers").get_layer("hidden1").kernel.numpy()
    assert np.abs(kernel).max() <= 0.2  # Two standard deviations of 0.1.
    # Keras' stddev is that of the normal distribution; truncation at 2 stddev reduces it to 0.88.
    assert kernel.std() == pytest.approx(0.088, rel=0.01)


def test_a_regularizer_adds_to_the_loss() -> None:
    network = build(
        "model.layers.logits.kernel_regularizer.l2=0.5",
        "model.layers.logits.kernel_initializer=ones",
    )
    network(np.zeros((1, 28, 28, 1), "f4"))
    assert float(network.losses[0]) == pytest.approx(0.5 * 7_840)
