"""Change batches of images at random, inside a compiled loop.

Only gathers, products of matrices and stateless random numbers are used, which XLA can compile.
Imports TensorFlow, so import this module only where a network is trained.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from mnistexp.augmentation.config import AugmentationConfig

GENERATOR = "philox"
"""The same on a CPU and a GPU. XLA orders its numbers in another way, so it has other ones."""


@dataclass(frozen=True)
class Augmentation:
    """Changes batches of images. Equal seeds give equal changes."""

    config: AugmentationConfig

    def __call__(self, images: Any, seed: Any) -> Any:
        """Return the changed images, float32 [n, height, width, channels], 0 to 255.

        Args:
            images: uint8 [n, height, width, channels].
            seed: int64 [2].
        """
        affine_seed, elastic_seed, erasing_seed = tf.unstack(
            tf.random.experimental.stateless_split(seed, 3, GENERATOR)
        )
        changed = tf.cast(images, tf.float32)
        if self.config.changes_shape:
            rows, columns = self._affine_positions(changed.shape, affine_seed)
            if self.config.elastic:
                smoothness = self.config.elastic_smoothness
                field = smooth_noise((2, *rows.shape), smoothness, elastic_seed)
                rows += self.config.elastic * field[0]
                columns += self.config.elastic * field[1]
            changed = sample_bilinear(changed, rows, columns)
        if self.config.erasing:
            side, probability = self.config.erasing, self.config.erasing_probability
            changed = erase_squares(changed, side, probability, erasing_seed)
        return changed

    def _affine_positions(self, shape: Any, seed: Any) -> tuple[Any, Any]:
        """Draw an affine map for each image; return where its pixels come from."""
        config = self.config
        uniform = tf.random.stateless_uniform((5, shape[0]), seed, -1, 1, alg=GENERATOR)
        return affine_positions(
            shape[1:3],
            angle=math.radians(config.rotation) * uniform[0],
            scale=1 + config.scale * uniform[1],
            slope=tf.tan(math.radians(config.shear) * uniform[2]),
            shift=config.shift * uniform[3:5],
        )


def affine_positions(
    size: tuple[int, int], *, angle: Any, scale: Any, slope: Any, shift: Any
) -> tuple[Any, Any]:
    """Return where the pixels of images come from that are sheared, scaled, rotated and shifted.

    Args:
        size: height and width of the images.
        angle: of the rotation about the center, from the right to the bottom, in radians, [n].
        scale: factor of the size, [n].
        slope: columns by which a row moves to the right for each row below the center, [n].
        shift: rows down and columns to the right, [2, n].

    Returns:
        Rows and columns, float32 [n, height, width]; also between the pixels and outside.
    """
    height, width = size
    down, right = (height - 1) / 2, (width - 1) / 2
    rows = tf.reshape(tf.range(height, dtype=tf.float32), (1, height, 1))
    columns = tf.reshape(tf.range(width, dtype=tf.float32), (1, 1, width))
    angle, scale, slope, shift_rows, shift_columns = (
        tf.reshape(values, (-1, 1, 1)) for values in (angle, scale, slope, *tf.unstack(shift))
    )
    y, x = rows - down - shift_rows, columns - right - shift_columns
    y, x = (tf.cos(angle) * y - tf.sin(angle) * x, tf.sin(angle) * y + tf.cos(angle) * x)
    y, x = y / scale, x / scale
    return y + down, x - slope * y + right


def sample_bilinear(images: Any, rows: Any, columns: Any) -> Any:
    """Return the images at positions between the pixels, by bilinear interpolation; 0 outside.

    Args:
        images: float32 [n, height, width, channels].
        rows: float32 [n, height, width]. columns: the same.
    """
    _, height, width, channels = images.shape
    padded = tf.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))
    flat = tf.reshape(padded, (-1, (height + 3) * (width + 3), channels))
    rows = tf.clip_by_value(rows, -1.0, float(height)) + 1
    columns = tf.clip_by_value(columns, -1.0, float(width)) + 1
    above, left = tf.floor(rows), tf.floor(columns)
    down, right = (rows - above)[..., tf.newaxis], (columns - left)[..., tf.newaxis]
    corner = tf.cast(above, tf.int32) * (width + 3) + tf.cast(left, tf.int32)

    def pixel(offset: int) -> Any:
        return tf.gather(flat, corner + offset, batch_dims=1)

    upper = (1 - right) * pixel(0) + right * pixel(1)
    lower = (1 - right) * pixel(width + 3) + right * pixel(width + 4)
    return (1 - down) * upper + down * lower


def smooth_noise(shape: tuple[int, ...], smoothness: float, seed: Any) -> Any:
    """Return Gaussian noise with standard deviation 1 that is smooth in its last two dimensions.

    Args:
        shape: […, height, width].
        smoothness: standard deviation of the smoothing Gaussian, in pixels.
        seed: int64 [2].
    """
    noise = tf.random.stateless_normal(shape, seed, alg=GENERATOR)
    down, right = (_smoothing_matrix(size, smoothness) for size in shape[-2:])
    return tf.matmul(down, tf.matmul(noise, right, transpose_b=True))


def _smoothing_matrix(size: int, smoothness: float) -> Any:
    """Return rows of Gaussians, [size, size], that keep the standard deviation of white noise."""
    distances = np.subtract.outer(np.arange(size), np.arange(size))
    weights = np.exp(-0.5 * (distances / smoothness) ** 2)
    return tf.constant(weights / np.linalg.norm(weights, axis=1, keepdims=True), tf.float32)


def erase_squares(images: Any, side: int, probability: float, seed: Any) -> Any:
    """Set the pixels of a square at a random place to 0, in some of the images.

    Args:
        images: float32 [n, height, width, channels].
        side: of the square, in pixels. It lies inside the image.
        probability: with which an image loses a square.
        seed: int64 [2].
    """
    number, height, width, _ = images.shape
    uniform = tf.random.stateless_uniform((3, number, 1, 1), seed, alg=GENERATOR)
    top = tf.floor(uniform[0] * (height - side + 1))
    left = tf.floor(uniform[1] * (width - side + 1))
    rows = tf.reshape(tf.range(height, dtype=tf.float32), (1, height, 1))
    columns = tf.reshape(tf.range(width, dtype=tf.float32), (1, 1, width))
    in_rows = (rows >= top) & (rows < top + side)
    in_columns = (columns >= left) & (columns < left + side)
    is_erased = in_rows & in_columns & (uniform[2] < probability)
    return tf.where(is_erased[..., tf.newaxis], 0.0, images)
