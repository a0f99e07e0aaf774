"""The layers of the compiled loop equal Keras' layers: outputs, gradients and moving averages."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnistexp.train.cpu_layers import (
    BlockInputConv2D,
    BlockOutputConv2D,
    FusedBatchNormalization,
    PhaseGradientConv2D,
)
from mnistexp.train.network_copy import copy_network, count_updates

RANDOM = np.random.default_rng(0)


def layer_after(shape: tuple[int, ...], layer: Any) -> keras.Model:
    """A network of a layer with random weights, and an input of this shape."""
    inputs = keras.Input(shape)
    network = keras.Model(inputs, layer(inputs))
    network.set_weights(
        [RANDOM.uniform(0.1, 1, x.shape).astype("f4") for x in network.get_weights()]
    )
    return network


def results(network: keras.Model, images: np.ndarray, weighting: np.ndarray) -> list[np.ndarray]:
    """Output, gradients by input and weights, and values of all variables after a training step."""
    pixels = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        output = network(pixels, training=True)
        total = tf.reduce_sum(output * weighting)
    gradients = tape.gradient(total, [pixels, *(x.value for x in network.trainable_weights)])
    return [np.asarray(x) for x in (output, *gradients, *network.get_weights())]


def classes_of_equal_copy(network: keras.Model) -> list[type]:
    """Check that the copy for a CPU computes the same, and return the classes of its layers."""
    copy = copy_network(network, [], cpu_layers=True)
    copy.set_weights(network.get_weights())
    images = RANDOM.normal(1, 2, (5, *network.input_shape[1:])).astype("f4")
    weighting = RANDOM.normal(size=(5, *network.output_shape[1:])).astype("f4")
    for computed, expected in zip(
        results(copy, images, weighting), results(network, images, weighting), strict=True
    ):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(computed, expected, rtol=0, atol=2e-5 * scale)
    return [type(layer) for layer in copy.layers[1:]]


@pytest.mark.parametrize("kernel_size", [2, 4, 5, 6, 9])
@pytest.mark.parametrize("shape", [(28, 28, 1), (14, 10, 3)])
def test_a_strided_convolution_has_the_gradients_of_the_plain_one(
    kernel_size: int, shape: tuple[int, ...]
) -> None:
    layer = keras.layers.Conv2D(3, kernel_size, 2, "same", activation="relu")
    assert classes_of_equal_copy(layer_after(shape, layer)) == [PhaseGradientConv2D]


@pytest.mark.parametrize(
    ("channels", "settings"),
    [
        (24, {"strides": 2}),  # The vectors are used well without phases.
        (6, {"strides": 1}),
        (6, {"strides": 2, "padding": "valid"}),
        (6, {"strides": 2, "groups": 3}),
        (6, {"strides": 1, "dilation_rate": 2}),
        (6, {"strides": (2, 1)}),
    ],
)
def test_other_convolutions_stay_as_they_are(channels: int, settings: dict[str, Any]) -> None:
    layer = keras.layers.Conv2D(12, 5, **{"padding": "same", **settings})
    network = layer_after((14, 14, channels), layer)
    copy = copy_network(network, [], cpu_layers=True)
    assert type(copy.layers[1]) is keras.layers.Conv2D


def test_a_convolution_of_an_odd_number_of_rows_stays_as_it_is() -> None:
    network = layer_after((7, 7, 3), keras.layers.Conv2D(3, 5, 2, "same"))
    assert classes_of_equal_copy(network) == [keras.layers.Conv2D]


@pytest.mark.parametrize("kernel_size", [2, 3, 6])
@pytest.mark.parametrize("use_bias", [False, True])
def test_two_convolutions_with_blocks_between_them_equal_the_plain_ones(
    kernel_size: int, use_bias: bool
) -> None:
    settings = {"padding": "same", "activation": "relu", "use_bias": use_bias}
    inputs = keras.Input((12, 8, 2))
    hidden = keras.layers.Conv2D(3, kernel_size, **settings)(inputs)
    outputs = keras.layers.Conv2D(5, 5, strides=2, **settings)(hidden)
    network = keras.Model(inputs, outputs)
    assert classes_of_equal_copy(network) == [BlockOutputConv2D, BlockInputConv2D]


def test_a_first_convolution_whose_output_is_also_added_elsewhere_stays_as_it_is() -> None:
    inputs = keras.Input((8, 8, 2))
    hidden = keras.layers.Conv2D(3, 3, padding="same")(inputs)
    strided = keras.layers.Conv2D(3, 5, strides=2, padding="same")(hidden)
    pooled = keras.layers.MaxPooling2D()(hidden)
    network = keras.Model(inputs, keras.layers.Add()([strided, pooled]))
    classes = classes_of_equal_copy(network)
    assert classes[:2] == [keras.layers.Conv2D, PhaseGradientConv2D]


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_the_normalization_of_images_equals_that_of_keras(scale: bool, center: bool) -> None:
    layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, scale=scale, center=center)
    shape = (6, 6, 3)
    assert classes_of_equal_copy(layer_after(shape, layer)) == [FusedBatchNormalization]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_the_layers_have_the_precision_of_the_policy(precision: str) -> None:
    settings: dict[str, Any] = {"padding": "same", "dtype": precision}
    layers = [
        keras.layers.Conv2D(3, 5, **settings),
        keras.layers.Conv2D(3, 5, 2, **settings),
        keras.layers.BatchNormalization(dtype=precision),
        keras.layers.Conv2D(3, 5, 2, **settings),
    ]
    inputs = outputs = keras.Input((12, 12, 1))
    for layer in layers:
        outputs = layer(outputs)
    network = keras.Model(inputs, outputs)
    copy = copy_network(network, [], cpu_layers=True)
    copy.set_weights(network.get_weights())
    images = RANDOM.normal(size=(5, 12, 12, 1)).astype("f4")
    computed, expected = copy(images, training=True), network(images, training=True)
    assert computed.dtype == expected.dtype == precision.removeprefix("mixed_")
    computed, expected = tf.cast(computed, tf.float32), tf.cast(expected, tf.float32)
    np.testing.assert_allclose(computed, expected, atol=0.05 * np.abs(expected).max())
    classes = [BlockOutputConv2D, BlockInputConv2D, FusedBatchNormalization, PhaseGradientConv2D]
    assert [type(layer) for layer in copy.layers[1:]] == classes


def test_the_momentum_of_the_normalization_of_images_warms_up() -> None:
    network = layer_after((6, 6, 3), keras.layers.BatchNormalization(name="norm"))
    copy = copy_network(network, ["norm"], cpu_layers=True)
    count_updates(copy, keras.optimizers.SGD())
    images = RANDOM.normal(size=(5, 6, 6, 3)).astype("f4")
    copy(images, training=True)
    # (1 + n) / (10 + n) is 0.1 in the first step; the averages begin with 0 and 1.
    mean, variance = images.mean((0, 1, 2)), images.var((0, 1, 2))
    norm = copy.layers[1]
    np.testing.assert_allclose(norm.moving_mean, 0.9 * mean, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, 0.1 + 0.9 * variance, atol=1e-6)


def test_after_the_training_images_are_normalized_by_the_moving_averages() -> None:
    network = layer_after((6, 6, 3), keras.layers.BatchNormalization())
    copy = copy_network(network, [], cpu_layers=True)
    copy.set_weights(network.get_weights())
    images = RANDOM.normal(size=(5, 6, 6, 3)).astype("f4")
    np.testing.assert_allclose(copy(images), network(images), atol=1e-6)


def test_without_the_layers_for_a_cpu_the_classes_are_those_of_keras() -> None:
    layers = [keras.layers.Conv2D(12, 5, 2, "same"), keras.layers.BatchNormalization()]
    network = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    copy = copy_network(keras.Model(network.inputs, network.outputs), [])
    assert [type(layer) for layer in copy.layers[1:]] == [type(layer) for layer in layers]
