"""What happens inside a network: its parameters, and what its layers make of a batch.

Imports TensorFlow, so it is imported where it is used.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.train.snapshot import QuantileSource

INACTIVE = {"linear", "softmax"}
"""Activations that are none of a neuron's."""


class LayerStatistics:
    """Looks at a network as it was at a moment, while the network itself trains on.

    What needs no TensorFlow is done without it, and in memory that is used again: a call of
    TensorFlow keeps the training from the interpreter, which costs it more than all the rest.
    """

    def __init__(self, network: keras.Model, scale: float, loss_per_image: Any) -> None:
        # Compiling a look changes layers for a moment; the training may compile at the same time.
        self._network = keras.Model.from_config(network.get_config())
        self._scale = scale
        self._loss_per_image = loss_per_image
        self._weights = _Parameters(self._network, lambda weight: len(weight.shape) > 1)
        # Offsets of batch normalisation are such, its scales are neither.
        self._biases = _Parameters(self._network, lambda weight: weight.name in ("bias", "beta"))
        self._functions: dict[QuantileSource, Any] = {}

    def look(
        self, weights: list[Any], images: np.ndarray, labels: np.ndarray, source: QuantileSource
    ) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
        """Mean loss, answers, and by name the values whose spread is wanted, float32 [n] each.

        The values are the caller's until the next look.

        Args:
            weights: what the network's weights were at the moment.
            images: uint8, [n, 28, 28, 1]. labels: uint8, [n].
            source: not `auto`.
        """
        function = self._function(source)
        loss, answers, activity = function(weights, tf.constant(images), tf.constant(labels))
        if source == "parameters":
            return float(loss), answers.numpy(), self.parameters(weights)
        values = {name: tensor.numpy() for name, tensor in activity.items()}
        return float(loss), answers.numpy(), values

    def parameters(self, weights: list[Any]) -> dict[str, np.ndarray]:
        """All weights and all biases, float32 [n] each; the caller's until they are asked again."""
        return {"weights": self._weights.of(weights), "biases": self._biases.of(weights)}

    def _function(self, source: QuantileSource) -> Any:
        """Of one shape, as finding the shape for a call takes longer than the call."""
        if source not in self._functions:
            weights = [tf.TensorSpec(x.shape, x.dtype) for x in self._network.weights]
            images = tf.TensorSpec([None, *self._network.input_shape[1:]], tf.uint8)
            labels = tf.TensorSpec([None], tf.uint8)

            def look(weights: list[Any], images: Any, labels: Any) -> tuple[Any, ...]:
                return self._look(weights, images, labels, source)

            # XLA would take longer to compile it than it ever saves.
            function = tf.function(look)
            self._functions[source] = function.get_concrete_function(weights, images, labels)
        return self._functions[source]

    def _look(
        self, weights: list[Any], images: Any, labels: Any, source: QuantileSource
    ) -> tuple[Any, ...]:
        with keras.StatelessScope(zip(self._network.weights, weights, strict=True)):
            logits, activity = probe(self._network, tf.cast(images, tf.float32) / self._scale)
        loss = tf.reduce_mean(self._loss_per_image(tf.cast(labels, tf.int32), logits))
        answers = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return loss, answers, activity if source == "activations" else {}


class _Parameters:
    """Some of a network's trainable weights."""

    def __init__(self, network: keras.Model, wanted: Callable[[Any], bool]) -> None:
        self._places = [
            place
            for place, weight in enumerate(network.weights)
            if weight.trainable and wanted(weight)
        ]
        self._values = np.empty(
            sum(int(np.prod(network.weights[place].shape)) for place in self._places), "f4"
        )

    def of(self, weights: list[Any]) -> np.ndarray:
        """All their values, float32 [n]."""
        if self._places:
            values = [np.asarray(weights[place]).ravel() for place in self._places]
            np.concatenate(values, out=self._values)
        return self._values


def resolve_quantile_source(network: keras.Model, source: QuantileSource) -> QuantileSource:
    """Which spread `auto` is for this network."""
    if source != "auto":
        return source
    normalised = any(isinstance(x, keras.layers.BatchNormalization) for x in network.layers)
    return "activations" if normalised else "parameters"


def is_same_in_training(network: keras.Model) -> bool:
    """Whether it computes the same while it is trained: no dropout, no noise, nothing by batch."""
    return all(
        # A dense layer takes the argument for quantization only.
        isinstance(layer, keras.layers.Dense) or "training" not in signature(layer.call).parameters
        for layer in network.layers
    )


def probe(network: keras.Model, images: Any) -> tuple[Any, dict[str, Any]]:
    """Logits of a batch; and all weighted sums, and the highest activations, float32 [n] each.

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
    highest = [tf.reduce_max(values, axis=0) for values in activations]
    activity = {"logits": _flat(sums), "activations": _flat(highest)}
    return tf.cast(values, tf.float32), activity


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
