"""What happens inside a network: its parameters, and what its layers make of a batch.

Imports TensorFlow, so it is imported where it is used.
"""

from typing import Any

import keras
import tensorflow as tf

from mnistexp.train.snapshot import Spread

INACTIVE = {"linear", "softmax"}
"""Activations that are none of a neuron's."""


class Probe:
    """A copy of a network that can be looked at while the network itself trains on."""

    def __init__(self, network: keras.Model, scale: float, loss_per_image: Any) -> None:
        self._copy = keras.Model.from_config(network.get_config())
        self._scale = scale
        self._loss_per_image = loss_per_image
        pairs = list(zip(self._copy.variables, network.variables, strict=True))
        self.take = tf.function(lambda: [copy.assign(source) for copy, source in pairs])
        # XLA would take longer to compile it than it ever saves.
        self.look = tf.function(self._look)

    def _look(self, images: Any, labels: Any, spread: Spread) -> tuple[Any, Any, Any]:
        """Mean loss, answers, and by name the values whose spread is wanted; see `probe`.

        Args:
            images: uint8, [n, 28, 28, 1]. labels: int32, [n].
        """
        logits, values = probe(self._copy, tf.cast(images, tf.float32) / self._scale, spread)
        loss = tf.reduce_mean(self._loss_per_image(labels, logits))
        return loss, tf.argmax(logits, axis=-1, output_type=tf.int32), values


def resolve_spread(network: keras.Model, spread: Spread) -> Spread:
    """Which spread `auto` is for this network."""
    if spread != "auto":
        return spread
    normalised = any(isinstance(x, keras.layers.BatchNormalization) for x in network.layers)
    return "activations" if normalised else "parameters"


def probe(network: keras.Model, images: Any, spread: Spread) -> tuple[Any, dict[str, Any]]:
    """Logits of a batch, and by name the values whose spread is wanted, float32 [n] each.

    Nothing is changed: dropout is off, and batch normalisation goes by this batch as it does while
    training, but leaves its moving averages alone.

    Args:
        images: scaled, [n, 28, 28, 1].
    """
    sums: list[Any] = []
    activations: list[Any] = []
    values = images
    for layer in network.layers[1:]:
        values = _through(layer, values, sums, activations)
    logits = tf.cast(values, tf.float32)
    if spread == "activations":
        highest = [tf.reduce_max(values, axis=0) for values in activations]
        return logits, {"logits": _flat(sums), "activations": _flat(highest)}
    return logits, parameters(network)


def parameters(network: keras.Model) -> dict[str, Any]:
    """All weights, and all biases: offsets of batch normalisation are such, its scales neither."""
    trainable = network.trainable_weights
    weights = [variable.value for variable in trainable if len(variable.shape) > 1]
    biases = [variable.value for variable in trainable if variable.name in ("bias", "beta")]
    return {"weights": _flat(weights), "biases": _flat(biases)}


def _through(layer: Any, values: Any, sums: list[Any], activations: list[Any]) -> Any:
    """What a layer makes of values; its weighted sums and activations are collected."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return _normalised(layer, values)
    if isinstance(layer, keras.layers.Activation):
        values = layer(values)
        activations.append(values)
        return values
    if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
        return _weighted(layer, values, sums, activations)
    return layer(values, training=False)


def _weighted(layer: Any, values: Any, sums: list[Any], activations: list[Any]) -> Any:
    """As the layer, which keeps its sums to itself where it has an activation of its own."""
    activation, layer.activation = layer.activation, keras.activations.linear
    try:
        values = layer(values)
    finally:
        layer.activation = activation
    sums.append(values)
    if activation.__name__ in INACTIVE:
        return activation(values)
    values = activation(values)
    activations.append(values)
    return values


def _normalised(layer: Any, values: Any) -> Any:
    """By the batch, as while training; calling the layer itself would move its averages."""
    wide = tf.cast(values, tf.float32)
    mean, variance = tf.nn.moments(wide, axes=list(range(len(wide.shape) - 1)))
    normalised = tf.nn.batch_normalization(
        wide,
        mean,
        variance,
        layer.beta.value if layer.center else None,
        layer.gamma.value if layer.scale else None,
        layer.epsilon,
    )
    return tf.cast(normalised, values.dtype)


def _flat(tensors: list[Any]) -> Any:
    if not tensors:
        return tf.zeros([0])
    return tf.concat([tf.reshape(tf.cast(tensor, tf.float32), [-1]) for tensor in tensors], axis=0)
