"""The losses that a training can minimize.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable
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


def find_loss(name: str, label_smoothing: float = 0.0) -> LossPerImage:
    """Return the loss with this name.

    Args:
        name: see `mnistexp.train.config.LossName`.
        label_smoothing: the fraction of each label that is spread evenly over all classes.
    """
    if name == "cross_entropy" and not label_smoothing:
        return cross_entropy
    loss = _SOFT_LABEL_LOSSES.get(name) or _keras_loss(name)

    def loss_per_image(labels: Any, logits: Any) -> Any:
        num_classes = logits.shape[-1]
        one_hot = tf.one_hot(labels, num_classes)
        return loss((1 - label_smoothing) * one_hot + label_smoothing / num_classes, logits)

    return loss_per_image


def _naive_cross_entropy(targets: Any, logits: Any) -> Any:
    """The textbook formula: 0·log(0) is NaN as soon as one probability rounds to 0."""
    return -tf.reduce_sum(targets * tf.math.log(tf.nn.softmax(logits)), axis=-1)


_SOFT_LABEL_LOSSES: dict[str, LossPerImage] = {
    "cross_entropy": tf.nn.softmax_cross_entropy_with_logits,
    "naive_cross_entropy": _naive_cross_entropy,
}
"""Losses of targets, float32 [n, num_classes], and logits."""


def _keras_loss(name: str) -> LossPerImage:
    """A loss of Keras. The hinge losses take the logits, all others the probabilities."""
    loss = keras.losses.get(name)
    return loss if "hinge" in name else lambda targets, logits: loss(targets, tf.nn.softmax(logits))
