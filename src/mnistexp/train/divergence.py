"""Find the layer in which a training began to diverge, after the loss became NaN or infinite.

The last chunk of steps is run again from the values that all variables had before it, up to the
step of interest. So a training that does not diverge only keeps these values.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf


class Trainer(Protocol):
    """What is used here of `CompiledTrainer`, which imports this module."""

    network: Any
    loss_per_image: Any
    num_steps_of_chunk: int

    def replay(self, num_steps: int) -> None:
        """See `CompiledTrainer`."""

    def batch_of_chunk(self, index: int) -> tuple[Any, Any]:
        """See `CompiledTrainer`."""

    def compute_gradients(self, images: Any, labels: Any) -> tuple[Any, Any, list[Any]]:
        """See `CompiledTrainer`."""

    def scale_images(self, images: Any) -> Any:
        """See `CompiledTrainer`."""


def find_origin_of_loss(trainer: Trainer) -> str:
    """Return where the loss of the last step that was run became NaN or infinite.

    Returns:
        For example `the output of layer logits overflowed`; an empty text if it is not known.
    """
    num_steps = trainer.num_steps_of_chunk  # The loss is measured before the update of a step.
    trainer.replay(num_steps - 1)
    if _layers_with_bad_weights(trainer.network):
        return _find_origin_of_weights(trainer, num_steps - 1)
    images, labels = trainer.batch_of_chunk(num_steps - 1)
    return _find_origin_of_output(trainer, images, labels, training=True)


def find_origin_of_evaluation(trainer: Trainer) -> str:
    """Return where the loss of an evaluation after the last step became NaN or infinite.

    The outputs are checked for the last batch of the training.
    """
    num_steps = trainer.num_steps_of_chunk
    if _layers_with_bad_weights(trainer.network):
        return _find_origin_of_weights(trainer, num_steps)
    images, labels = trainer.batch_of_chunk(num_steps - 1)
    return _find_origin_of_output(trainer, images, labels, training=False)


def _find_origin_of_weights(trainer: Trainer, num_steps: int) -> str:
    """Return where the update of the step `num_steps` of the latest chunk failed."""
    first = _layers_with_bad_weights(trainer.network)[0]
    found = f"the weights of layer {first.name} were no longer finite"
    if num_steps == 0:  # It was a step of an earlier chunk.
        return found
    trainer.replay(num_steps - 1)
    _, _, gradients = trainer.compute_gradients(*trainer.batch_of_chunk(num_steps - 1))
    by_weight = dict(zip(map(id, trainer.network.trainable_weights), gradients, strict=True))
    # Gradients are computed from the last layer to the first.
    for layer in reversed(trainer.network.layers):
        if not _are_finite(by_weight[id(weight)] for weight in layer.trainable_weights):
            return f"the gradient of layer {layer.name} was no longer finite"
    return f"the update of the weights of layer {first.name} overflowed"


def _find_origin_of_output(trainer: Trainer, images: Any, labels: Any, *, training: bool) -> str:
    network = trainer.network
    # A layer that was called twice would have two outputs, but networks here have no such layer.
    outputs = keras.Model(network.inputs, [layer.output for layer in network.layers])
    results = outputs(trainer.scale_images(images), training=training)
    for layer, result in zip(network.layers, results, strict=True):
        if not _are_finite([result]):
            largest = _largest_weight(layer)
            return f"the output of layer {layer.name} overflowed{largest}"
    logits = tf.cast(results[-1], tf.float32)
    if _are_finite([tf.reduce_mean(trainer.loss_per_image(labels, logits))]):
        return ""
    size = float(tf.reduce_max(tf.abs(logits)))
    return f"the loss was not finite for finite logits of up to {size:.3g}"


def _layers_with_bad_weights(network: keras.Model) -> list[keras.Layer]:
    return [layer for layer in network.layers if not _are_finite(layer.weights)]


def _are_finite(values: Iterable[Any]) -> bool:
    arrays = (np.asarray(keras.ops.convert_to_numpy(v), "f8") for v in values if v is not None)
    return all(np.isfinite(array).all() for array in arrays)


def _largest_weight(layer: keras.Layer) -> str:
    arrays = layer.get_weights()
    return f" (weights of up to {max(np.abs(a).max() for a in arrays):.3g})" if arrays else ""
