"""Layers that compute the same as Keras' layers, but train faster with XLA on a CPU.

As those of `cpu_layers`, only the compiled loop uses them, never a logged model.
docs/speed_profile.md has what they gain.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MAX_UNITS = 16
"""Maximum number of columns of a gradient that XLA multiplies slowly."""
MIN_INPUTS = 256
"""Minimum number of inputs, below which the product takes hardly any time."""


class TransposedGradientDense(keras.layers.Dense):
    """A dense layer whose kernel gradient is computed transposed, and then reordered.

    XLA multiplies matrices slowly if the result has few columns, as the gradient of a kernel
    [inputs, units] with few units. It also undoes a transposition of the result. A gather it keeps.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the output, [n, units]."""
        output = _multiply(inputs, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            output += tf.convert_to_tensor(self.bias)
        return self.activation(output)


def gains_by_transposed_gradient(layer: keras.layers.Layer) -> bool:
    """Return whether a layer trains faster as a `TransposedGradientDense`."""
    if type(layer) is not keras.layers.Dense or len(layer.input.shape) != 2:
        return False
    num_inputs: int = layer.input.shape[-1]
    return num_inputs >= MIN_INPUTS and bool(layer.units <= MAX_UNITS)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _multiply(inputs: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Return inputs [n, num_inputs] · kernel [num_inputs, units]."""

    def compute_gradients(gradient: Any) -> tuple[Any, Any]:
        transposed = tf.matmul(gradient, inputs, transpose_a=True)
        num_inputs, units = kernel.shape
        places = np.arange(units * num_inputs, dtype="i4").reshape(units, num_inputs).T
        by_kernel = tf.gather(tf.reshape(transposed, [-1]), tf.constant(places))
        return tf.matmul(gradient, kernel, transpose_b=True), by_kernel

    return tf.matmul(inputs, kernel), compute_gradients
