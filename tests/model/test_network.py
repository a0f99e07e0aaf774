"""Networks: parameter counts of the presets, and the model for inference."""

import keras
import numpy as np
import pytest
from support import network_config

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.model import NetworkConfig, build_classifier, build_model


def build(*overrides: str) -> keras.Model:
    return build_model(network_config(*overrides))


def num_trainable(network: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("softmax", 7_850),
        ("two_layers", 784 * 200 + 200 + 200 * 10 + 10),
        ("five_layers", 185_300),
        ("five_layers_dropout", 185_300),
        # No biases, an offset for each hidden neuron, logits with biases.
        (
            "five_layers_batchnorm",
            784 * 200 + 200 * 100 + 100 * 60 + 60 * 30
            + (200 + 100 + 60 + 30) + 30 * 10 + 10,
        ),
        ("linear", 567_434),
        ("conv", 122_270),
        ("conv_big", 244_076),
        # Kernels without biases, offset and scale of each filter, logits.
        ("conv_fast", 25 * 16 + 25 * 512 + 9 * 2048 + 2 * 112 + 576 * 10 + 10),
        (
            "conv_deep",
            25 * 32 + 9 * (32 * 48 + 48 * 48 + 48 * 96 + 2 * 96 * 96)
            + 2 * (32 + 48 + 48 + 3 * 96) + 96 * 10 + 10,
        ),
        ("conv_small", 9 * 10 + 9 * 120 + 9 * 192 + 2 * 9 * 256 + 2 * 70 + 16 * 10 + 10),
        # Kernels without biases, one offset for each filter and hidden unit, logits with biases.
        (
            "conv_batchnorm",
            36 * 24 + 25 * 24 * 48 + 16 * 48 * 64 + 7 * 7 * 64 * 200
            + (24 + 48 + 64 + 200) + 200 * 10 + 10,
        ),
    ],
)  # fmt: skip
def test_a_preset_has_the_number_of_parameters_of_its_source(preset: str, parameters: int) -> None:
    assert num_trainable(build(f"model={preset}")) == parameters


def test_the_parameters_of_every_preset_are_checked() -> None:
    parametrize = test_a_preset_has_the_number_of_parameters_of_its_source.pytestmark[0]  # type: ignore[attr-defined]
    networks = {
        name
        for name in list_groups()["model"]
        if isinstance(compose_config([f"model={name}"])[0].model, NetworkConfig)
    }
    assert {preset for preset, _ in parametrize.args[1]} == networks


def test_the_classifier_maps_pixels_to_probabilities() -> None:
    network = build("model=conv_big")
    classifier = build_classifier(network, scale=256.0)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), "u1")
    logits = network(pixels / np.float32(256.0)).numpy().astype("f8")
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier(pixels).numpy(), expected, atol=1e-6)
    assert [type(layer).__module__.split(".")[0] for layer in classifier.layers] == ["keras"] * len(
        classifier.layers
    )
