"""Layers by name: parameter counts, order, initialisers, and shapes that cannot work."""

from typing import get_args

import keras
import numpy as np
import pytest
from support import network_config

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.errors import ConfigError
from mnistexp.model import NetworkConfig, build_classifier, build_model
from mnistexp.model.initializer import InitializerName
from mnistexp.model.layers import ActivationName, Layer, ordered_layers


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
        # Kernels without biases, one offset for each filter and hidden unit, logits with biases.
        (
            "conv_batchnorm",
            36 * 24 + 25 * 24 * 48 + 16 * 48 * 64 + 7 * 7 * 64 * 200
            + (24 + 48 + 64 + 200) + 200 * 10 + 10,
        ),
    ],
)  # fmt: skip
def test_presets_have_the_parameters_of_their_source(preset: str, parameters: int) -> None:
    assert num_trainable(build(f"model={preset}")) == parameters


def test_every_preset_is_counted_above() -> None:
    parametrize = test_presets_have_the_parameters_of_their_source.pytestmark[0]  # type: ignore[attr-defined]
    networks = {
        name
        for name in list_groups()["model"]
        if isinstance(compose_config([f"model={name}"])[0].model, NetworkConfig)
    }
    assert {preset for preset, _ in parametrize.args[1]} == networks


def test_a_layer_set_to_null_is_left_out() -> None:
    assert "dropout" not in [
        layer.name for layer in build("model=conv_big", "model.layers.dropout=null").layers
    ]


def test_a_new_layer_stands_where_it_says() -> None:
    network = build(
        "model=five_layers",
        "model.layers.extra={type: dense, units: 50, after: hidden2}",
        "model.layers.drop={type: dropout, rate: 0.1, after: extra}",
    )
    names = [layer.name for layer in network.layers]
    assert names[names.index("hidden2") :][:4] == ["hidden2", "extra", "drop", "hidden3"]


def test_layers_that_stand_behind_each_other_are_refused() -> None:
    logits = network_config("model=softmax").layers["logits"]
    assert logits is not None
    around = {
        "a": logits.model_copy(update={"after": "b"}),
        "b": logits.model_copy(update={"after": "a"}),
    }
    with pytest.raises(ConfigError, match="model.layers.a.after"):
        ordered_layers(around)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["model.layers.logits.units=11"], "model.layers.logits: expected 10 logits per image"),
        (
            ["model=conv", "model.layers.flatten=null", "model.layers.hidden=null"],
            r"model.layers.logits: expected 10 logits.*Received: \[n, 7, 7, 10\]",
        ),
        (
            ["model.layers.c={type: conv2d, filters: 3, kernel_size: 3, after: flatten}"],
            r"model.layers.c: a conv2d layer does not accept the input shape \[n, 784\]",
        ),
        (
            ["model=conv", "model.layers.pool={type: max_pooling, pool_size: 40, after: conv1}"],
            "model.layers.pool: ",
        ),
        (
            ["model=conv_big", "model.layers.conv1.groups=4"],
            "model.layers.conv1: Conv2D rejects its settings",
        ),
        (
            ["model.layers.x={type: keras, class_name: Layer, after: flatten}"],
            "model.layers.x: a keras layer does not accept",
        ),
        (
            ["model.layers.x={type: keras, class_name: Dens, after: flatten}"],
            "model.layers.x.class_name: expected a class of keras.layers.*Did you mean Dense",
        ),
        (
            ["model.layers.x={type: keras, class_name: Dense, config: {unit: 3}, after: flatten}"],
            "model.layers.x: Dense rejects its settings: .*'units'",
        ),
    ],
)
def test_a_shape_that_cannot_work_names_the_layer(overrides: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build(*overrides)


def test_any_layer_of_keras_can_be_reached() -> None:
    network = build(
        "model=conv",
        "model.layers.sep={type: keras, class_name: SeparableConv2D, after: conv1, "
        "config: {filters: 5, kernel_size: 3}}",
    )
    assert isinstance(network.get_layer("sep"), keras.layers.SeparableConv2D)


def test_every_layer_by_name_can_be_built() -> None:
    network = build(
        "model=conv",
        "model.layers.norm={type: batch_normalization, momentum: 0.9, after: conv1}",
        "model.layers.act={type: activation, activation: tanh, after: norm}",
        "model.layers.maximum={type: max_pooling, pool_size: [2, 2], after: act}",
        "model.layers.mean={type: average_pooling, strides: 1, after: maximum}",
        "model.layers.spatial={type: spatial_dropout, rate: 0.1, after: mean}",
        "model.layers.flatten=null",
        "model.layers.all={type: global_average_pooling, after: conv3}",
        "model.layers.drop={type: dropout, rate: 0.5, after: all}",
    )
    built = {type(layer).__name__ for layer in network.layers}
    assert built >= {
        *("BatchNormalization", "Activation", "MaxPooling2D", "AveragePooling2D"),
        *("SpatialDropout2D", "GlobalAveragePooling2D", "Dropout", "Conv2D", "Dense"),
    }
    assert network.get_layer("norm").momentum == 0.9


def test_settings_of_layers_have_the_names_of_keras() -> None:
    import inspect

    for member in get_args(get_args(Layer)[0]):
        if not hasattr(member, "keras_class"):
            continue
        arguments = inspect.signature(getattr(keras.layers, member.keras_class)).parameters
        ours = set(member.model_fields) - {"type", "after"}
        assert ours <= set(arguments), member.__name__


def test_activations_are_those_of_keras() -> None:
    functions = {
        name
        for name in dir(keras.activations)
        if name[0].islower() and name not in ("get", "serialize", "deserialize")
    }
    assert set(get_args(ActivationName)) == functions


def test_initialisers_are_those_of_keras() -> None:
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
def test_biases_start_as_they_are_told(setting: str, kind: type) -> None:
    network = build(f"model.layers.logits.bias_initializer={setting}")
    assert isinstance(network.get_layer("logits").bias_initializer, kind)


def test_weights_start_truncated_normal_with_the_given_deviation() -> None:
    kernel = build("model=five_layers").get_layer("hidden1").kernel.numpy()
    assert np.abs(kernel).max() <= 0.2  # Nothing beyond two standard deviations of 0.1.
    # Keras' stddev is that before the cut; behind it 0.88 of it is left.
    assert kernel.std() == pytest.approx(0.088, rel=0.01)


def test_a_regulariser_adds_to_the_loss() -> None:
    network = build(
        "model.layers.logits.kernel_regularizer.l2=0.5",
        "model.layers.logits.kernel_initializer=ones",
    )
    network(np.zeros((1, 28, 28, 1), "f4"))
    assert float(network.losses[0]) == pytest.approx(0.5 * 7_840)


def test_the_classifier_takes_pixels_and_gives_probabilities() -> None:
    network = build("model=conv_big")
    classifier = build_classifier(network, scale=256.0)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), "u1")
    logits = network(pixels / np.float32(256.0)).numpy().astype("f8")
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier(pixels).numpy(), expected, atol=1e-6)
    assert [type(layer).__module__.split(".")[0] for layer in classifier.layers] == ["keras"] * len(
        classifier.layers
    )
