"""Layers that compute the same as Keras' layers, but train faster on a CPU with oneDNN.

Only the compiled loop uses them, never a logged model. Config and variables are those of Keras'
layers, so the trained values can be copied. docs/speed_profile.md has what each of them gains.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

VECTOR_LENGTH = 16
"""Number of float32 values that an instruction with AVX-512 computes at once."""

ACTIVATIONS_OF_BLOCKS = {"linear", "relu", "sigmoid", "tanh"}
"""Functions of each value alone, so the place of a pixel does not matter."""


class PhaseGradientConv2D(keras.layers.Conv2D):
    """A convolution with stride 2 whose gradient by the input is a convolution with stride 1.

    oneDNN computes this gradient slowly if the input has few channels. The pixels whose rows are
    even or odd, and whose columns are even or odd, form four phases. The gradient by the pixels of
    a phase is a convolution of the gradient by the output with every other row and column of the
    kernel. All four are computed at once, as four times as many channels.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the convolution without bias and activation, as Keras' layer does."""
        return _convolve(inputs, tf.convert_to_tensor(kernel))


class BlockOutputConv2D(keras.layers.Conv2D):
    """A convolution with stride 1 whose output lies in blocks of 2×2 pixels.

    It is one convolution with stride 2 and four times as many filters, one for each pixel of a
    block, so few filters use the vectors of the processor better. The output has the shape
    [n, height / 2, 2 · width, filters]: a row has the four pixels of each of its blocks in turn.
    """

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output in blocks."""
        size, height, width, _ = input_shape
        assert height is not None
        assert width is not None
        return size, height // 2, 2 * width, self.filters

    def call(self, inputs: Any) -> Any:
        """Return the output in blocks. Bias and activation come first, so oneDNN fuses them."""
        kernel = _block_kernel(tf.convert_to_tensor(self.kernel))
        blocks = tf.nn.conv2d(inputs, kernel, strides=2, padding="SAME")
        if self.use_bias:
            blocks = tf.nn.bias_add(blocks, tf.tile(tf.convert_to_tensor(self.bias), [4]))
        blocks = self.activation(blocks)
        _, height, width, _ = blocks.shape
        return tf.reshape(blocks, [-1, height, 4 * width, self.filters])


def gains_by_blocks(layer: keras.layers.Layer) -> bool:
    """Return whether a layer trains faster as a `BlockOutputConv2D`.

    Only if its input needs no gradient, and the next layer is a `BlockInputConv2D`.
    """
    if type(layer) is not keras.layers.Conv2D or layer.strides != (1, 1):
        return False
    if not _is_standard(layer) or layer.activation.__name__ not in ACTIVATIONS_OF_BLOCKS:
        return False
    size: int = layer.kernel_size[0]
    larger_area: float = (size + 1) ** 2 / size**2
    return larger_area * _used_part(layer.filters) < _used_part(4 * layer.filters)


def _block_kernel(kernel: Any) -> Any:
    """Return the kernel with stride 2 for the four pixels of each block.

    Args:
        kernel: with stride 1, [size, size, channels, filters].

    Returns:
        [size + 1, size + 1, channels, 4 · filters]; the filters of the upper left pixel come first,
        then those of the upper right one, the lower left one and the lower right one.
    """
    shifts = [(row, column) for row in (0, 1) for column in (0, 1)]
    shifted = [
        tf.pad(kernel, [[row, 1 - row], [column, 1 - column], [0, 0], [0, 0]])
        for row, column in shifts
    ]
    return tf.concat(shifted, axis=-1)


class BlockInputConv2D(PhaseGradientConv2D):
    """A `PhaseGradientConv2D` that receives the output of a `BlockOutputConv2D`.

    So the gradients of the phases need not be moved to their pixels.
    """

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output, which has a pixel for each block."""
        size, height, width, _ = input_shape
        assert width is not None
        return size, height, width // 4, self.filters

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the convolution without bias and activation, as Keras' layer does."""
        _, height, width, channels = inputs.shape
        blocks = tf.reshape(inputs, [-1, height, width // 4, 4 * channels])
        return _convolve_blocks(blocks, tf.convert_to_tensor(kernel))


def gains_by_phases(layer: keras.layers.Layer) -> bool:
    """Return whether a layer trains faster as a `PhaseGradientConv2D`.

    oneDNN computes a vector of channels at a time, so few channels leave a part of it unused, and
    four times as many a smaller one. But the kernels of the phases are padded to equal sizes.
    """
    if type(layer) is not keras.layers.Conv2D or not _has_phases(layer):
        return False
    channels: int = layer.input.shape[-1]
    size: int = layer.kernel_size[0]
    padded_area: float = (2 * _phase_size(size)) ** 2 / size**2
    return padded_area * _used_part(channels) < _used_part(4 * channels)


def _has_phases(layer: keras.layers.Conv2D) -> bool:
    return bool(layer.strides == (2, 2)) and _is_standard(layer)


def _is_standard(layer: keras.layers.Conv2D) -> bool:
    """Return whether it has a square kernel, an even input, and no other special settings."""
    _, height, width, _ = layer.input.shape
    rows, columns = layer.kernel_size
    conditions = [
        layer.padding == "same",
        layer.data_format == "channels_last",
        layer.dilation_rate == (1, 1),
        layer.groups == 1,
        height % 2 == 0 and width % 2 == 0,
        rows == columns and rows > 1,
    ]
    return all(conditions)


def _used_part(channels: int) -> float:
    return channels / (VECTOR_LENGTH * -(-channels // VECTOR_LENGTH))


def _phase_size(kernel_size: int) -> int:
    """Return rows and columns of the kernel of a phase, an odd number."""
    return 2 * ((kernel_size + 1) // 4) + 1


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _convolve(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve with stride 2 and padding `same`.

    Args:
        images: [n, height, width, channels] with even height and width.
        kernel: [size, size, channels, filters].
    """

    def compute_gradients(gradient: Any) -> tuple[Any, Any]:
        phases = _gradient_by_phases(gradient, kernel)
        by_kernel = _gradient_by_kernel(gradient, images, kernel)
        return _pixels_of_blocks(phases), by_kernel

    return tf.nn.conv2d(images, kernel, strides=2, padding="SAME"), compute_gradients


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _convolve_blocks(blocks: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve with stride 2 and padding `same`.

    Args:
        blocks: images as blocks of 2×2 pixels, [n, height / 2, width / 2, 4 · channels].
        kernel: [size, size, channels, filters].
    """
    images = _pixels_of_blocks(blocks)

    def compute_gradients(gradient: Any) -> tuple[Any, Any]:
        phases = _gradient_by_phases(gradient, kernel)
        return phases, _gradient_by_kernel(gradient, images, kernel)

    return tf.nn.conv2d(images, kernel, strides=2, padding="SAME"), compute_gradients


def _pixels_of_blocks(blocks: Any) -> Any:
    """Return blocks of 2×2 pixels as images, as `tf.nn.depth_to_space` does, but faster on a CPU.

    Args:
        blocks: [n, height / 2, width / 2, 4 · channels].

    Returns:
        [n, height, width, channels].
    """
    _, height, width, channels = blocks.shape
    rows = tf.reshape(blocks, [-1, width, 2, channels // 2])  # Both rows of pixels of a block.
    images = tf.transpose(rows, [0, 2, 1, 3])
    return tf.reshape(images, [-1, 2 * height, 2 * width, channels // 4])


def _gradient_by_phases(gradient: Any, kernel: Any) -> Any:
    """Return the gradient by the input in blocks, [n, height / 2, width / 2, 4 · channels]."""
    return tf.nn.conv2d(gradient, _phase_kernel(kernel), strides=1, padding="SAME")


def _gradient_by_kernel(gradient: Any, images: Any, kernel: Any) -> Any:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images,
        filter_sizes=kernel.shape,
        out_backprop=gradient,
        strides=[1, 2, 2, 1],
        padding="SAME",
    )


def _phase_kernel(kernel: Any) -> Any:
    """Return the kernel from the gradient by the output to that by the four phases of the input.

    Args:
        kernel: [size, size, channels, filters].

    Returns:
        [phase_size, phase_size, filters, 4 · channels]; the channels of the upper left phase come
        first, then those of the upper right one, the lower left one and the lower right one.
    """
    size, _, channels, filters = kernel.shape
    phase_size = _phase_size(size)
    # Output o is a sum over the inputs 2 · o - padding + (0, …, size - 1), in each direction. The
    # kernel is padded so that it begins at an even distance from 2 · o, and is centered.
    padding = (size - 2) // 2
    before = phase_size - 1 - padding
    padded = tf.pad(kernel, [[before, 2 * phase_size - size - before]] * 2 + [[0, 0]] * 2)
    phases = tf.reshape(padded, [phase_size, 2, phase_size, 2, channels, filters])
    # An input on the right of an output has that output on its left.
    mirrored = tf.reverse(phases, axis=[0, 2])
    shape = [phase_size, phase_size, filters, 4 * channels]
    return tf.reshape(tf.transpose(mirrored, [0, 2, 5, 1, 3, 4]), shape)


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization of images as one operation for each direction.

    Keras' layer computes a training step by about 20 operations, each of which reads and writes
    all values.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return normalized values; update the moving averages in training."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        values = tf.cast(inputs, tf.float32)
        channels = values.shape[-1]
        normalized, mean, unbiased_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=values,
            scale=tf.cast(self.gamma, tf.float32) if self.scale else tf.ones([channels]),
            offset=tf.cast(self.beta, tf.float32) if self.center else tf.zeros([channels]),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(values) / channels, tf.float32)
        _update_average(self.moving_mean, mean, self.momentum)
        _update_average(self.moving_variance, unbiased_variance * (1 - 1 / count), self.momentum)
        return tf.cast(normalized, self.compute_dtype)


def gains_by_fusion(layer: keras.layers.Layer) -> bool:
    """Return whether a layer can be a `FusedBatchNormalization`, which then trains faster."""
    if not isinstance(layer, keras.layers.BatchNormalization) or len(layer.input.shape) != 4:
        return False
    is_standard = not (layer.synchronized or layer.renorm)
    return is_standard and layer.axis in (-1, 3)


def _update_average(average: Any, value: Any, momentum: Any) -> None:
    average.assign(average * momentum + value * (1 - momentum))
