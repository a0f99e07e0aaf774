"""The layers of the compiled loop with XLA equal Keras' layers, and are chosen where they gain."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnistexp.train.network_copy import copy_network
from mnistexp.train.xla_layers import TransposedGradientDense

RANDOM = np.random.default_rng(0)


def network_of(layer: keras.layers.Layer, *, num_inputs: int) -> keras.Model:
    inputs = keras.Input((num_inputs,))
    network = keras.Model(inputs, layer(inputs))
    network.set_weights([RANDOM.normal(size=x.shape).astype("f4") for x in network.get_weights()])
    return network


def output_and_gradients(network: keras.Model, inputs: np.ndarray) -> list[np.ndarray]:
    """Compute the output, and the gradients of its squares by the inputs and the weights."""

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def compute(values: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            output = network(values, training=True)
            total = tf.reduce_sum(output**2)
        weights = [weight.value for weight in network.trainable_weights]
        return [output, *tape.gradient(total, [values, *weights])]

    return [result.numpy() for result in compute(tf.constant(inputs))]


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_few_units_have_the_output_and_the_gradients_of_the_plain_layer(
    activation: str, use_bias: bool
) -> None:
    layer = keras.layers.Dense(10, activation, use_bias=use_bias)
    network = network_of(layer, num_inputs=784)
    copy = copy_network(network, [], cpu_layers=True, xla=True)
    assert type(copy.layers[1]) is TransposedGradientDense
    copy.set_weights(network.get_weights())
    inputs = RANDOM.normal(size=(7, 784)).astype("f4")
    for computed, expected in zip(
        output_and_gradients(copy, inputs), output_and_gradients(network, inputs), strict=True
    ):
        tolerance = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(computed, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("units", "num_inputs", "settings"),
    [
        (200, 784, {"cpu_layers": True, "xla": True}),  # Many units.
        (10, 30, {"cpu_layers": True, "xla": True}),  # A small product.
        (10, 784, {"cpu_layers": True, "xla": False}),
        (10, 784, {"cpu_layers": False, "xla": True}),  # A GPU.
    ],
)
def test_other_dense_layers_stay_as_they_are(
    units: int, num_inputs: int, settings: dict[str, bool]
) -> None:
    network = network_of(keras.layers.Dense(units), num_inputs=num_inputs)
    assert type(copy_network(network, [], **settings).layers[1]) is keras.layers.Dense
