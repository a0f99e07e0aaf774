"""Layer types: order, settings and errors."""

from typing import get_args

import keras
import pytest
from support import network_config

from mnistexp.errors import ConfigError
from mnistexp.model import build_model
from mnistexp.model.layers import ActivationName, Layer, ordered_layers


def build(*overrides: str) -> keras.Model:
    return build_model(network_config(*overrides))


def test_a_layer_set_to_null_is_left_out() -> None:
    network = build("model=conv_big", "model.layers.dropout=null")
    assert "dropout" not in [layer.name for layer in network.layers]


def test_a_new_layer_comes_directly_after_the_layer_that_it_names() -> None:
    network = build(
        "model=five_layers",
        "model.layers.extra={type: dense, units: 50, after: hidden2}",
        "model.layers.drop={type: dropout, rate: 0.1, after: extra}",
    )
    names = [layer.name for layer in network.layers]
    assert names[names.index("hidden2") :][:4] == ["hidden2", "extra", "drop", "hidden3"]


def test_layers_that_each_follow_the_other_are_rejected() -> None:
    logits = network_config("model=softmax").layers["logits"]
    assert logits is not None
    circular = {
        "a": logits.model_copy(update={"after": "b"}),
        "b": logits.model_copy(update={"after": "a"}),
    }
    with pytest.raises(ConfigError, match="model.layers.a.after"):
        ordered_layers(circular)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=conv", "model.layers.flatten=null", "model.layers.hidden=null"],
            r"model.layers.logits: expected 10 logits.*\[n, 7, 7, 10\]\. Write .* flatten ",
        ),
        (
            ["model.layers.c={type: conv2d, filters: 3, kernel_size: 3, after: flatten}"],
            r"model.layers.c: a conv2d layer does not accept the input shape \[n, 784\]",
        ),
        (
            ["model=conv", "model.layers.pool={type: max_pooling, pool_size: 40, after: conv1}"],
            "model.layers.pool: expected a pool_size of at most 28 x 28, .* Received: 40 x 40",
        ),
        (
            [
                "model=conv",
                "model.layers.conv1.dilation_rate=9",
                "model.layers.conv1.padding=valid",
            ],
            "model.layers.conv1: expected a kernel_size of at most 28 x 28, .*, dilated to 37 x 37",
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
            r"model.layers.x: expected config: {units: VALUE} for Dense. .* Did you mean units\?$",
        ),
        (
            ["model.layers.x={type: keras, class_name: ELU, config: {alph: 3}, after: flatten}"],
            r"model.layers.x: ELU rejects its settings: .*Did you mean alpha\?",
        ),
    ],
)
def test_an_error_in_a_layer_names_the_layer(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(*overrides)


def test_any_layer_of_keras_can_be_built_by_its_class_name() -> None:
    network = build(
        "model=conv",
        "model.layers.sep={type: keras, class_name: SeparableConv2D, after: conv1, "
        "config: {filters: 5, kernel_size: 3}}",
    )
    assert isinstance(network.get_layer("sep"), keras.layers.SeparableConv2D)


def test_every_layer_type_can_be_built() -> None:
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
        settings = set(member.model_fields) - set(member.own_settings)
        assert settings <= set(arguments), member.__name__


def test_activations_are_those_of_the_installed_keras() -> None:
    functions = {
        name
        for name in dir(keras.activations)
        if name[0].islower() and name not in ("get", "serialize", "deserialize")
    }
    assert set(get_args(ActivationName)) == functions
