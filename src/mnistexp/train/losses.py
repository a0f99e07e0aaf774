"""The losses that a training can minimize.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

LossPerImage = Callable[[Any, Any], Any]
"""Labels, int32 [n], and logits, float32 [n, num_classes], to losses, float32 [n]."""


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Return the cross-entropy of each image in nats, float32 [n].

    Args:
        labels: int32 [n].
        logits: float32 [n, num_classes].
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def find_loss(name: str) -> LossPerImage:
    """Return the loss with this name; see `mnistexp.train.config.LossName`."""
    own_losses = {"cross_entropy": cross_entropy, "naive_cross_entropy": _naive_cross_entropy}
    return own_losses.get(name) or partial(_keras_loss, name)


def _naive_cross_entropy(labels: Any, logits: Any) -> Any:
    """The textbook formula: 0·log(0) is NaN as soon as one probability rounds to 0."""
    one_hot = tf.one_hot(labels, logits.shape[-1])
    return -tf.reduce_sum(one_hot * tf.math.log(tf.nn.softmax(logits)), axis=-1)


def _keras_loss(name: str, labels: Any, logits: Any) -> Any:
    """A loss of Keras. The hinge losses take the logits, all others the probabilities."""
    outputs = logits if "hinge" in name else tf.nn.softmax(logits)
    return keras.losses.get(name)(tf.one_hot(labels, logits.shape[-1]), outputs)
