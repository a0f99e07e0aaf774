"""The values inside a network: its parameters, and its weighted sums and activations for a batch.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.layer_graph import run_layers
from mnistexp.train.losses import cross_entropy
from mnistexp.train.snapshot import QuantileSource

MAX_VALUES = 2**20
"""Logits and activations of a large network are those of the first images of a batch, because
sorting more values would slow down the training."""
EXCLUDED_ACTIVATIONS = {"linear", "softmax"}
"""Activation functions whose outputs do not count as activations of neurons."""


class LayerStatistics:
    """Computes statistics of a network from given weights, while its training continues.

    Parameters are collected with NumPy into memory that is reused. A call of TensorFlow would
    compete with the training for Python's interpreter lock, which costs more than the computation.
    """

    def __init__(self, network: keras.Model, scale: float) -> None:
        """Args: scale: divisor of the pixels."""
        self._network, self._activations = separate_activations(network)
        self._scale = scale
        self._weights = _Parameters(self._network, lambda weight: len(weight.shape) > 1)
        # Batch normalization: its offsets (beta) count as biases, its scales (gamma) as neither.
        self._biases = _Parameters(self._network, lambda weight: weight.name in ("bias", "beta"))
        self._functions: dict[QuantileSource, Any] = {}

    def evaluate(
        self, weights: list[Any], images: np.ndarray, labels: np.ndarray, source: QuantileSource
    ) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
        """Evaluate a batch with dropout off.

        Args:
            weights: values of all weights of the network.
            images: pixels from 0 to 255, [n, height, width, channels].
            labels: uint8, [n].
            source: not `auto`.

        Returns:
            Mean loss; predictions, int32 [n]; and by name the values of the source, float32 arrays
            of one dimension that are valid until the next call.
        """
        function = self._function(source)
        pixels = tf.constant(images, tf.float32)
        loss, predictions, values = function(weights, pixels, tf.constant(labels))
        if source == "parameters":
            return float(loss), predictions.numpy(), self.parameters(weights)
        arrays = {name: tensor.numpy() for name, tensor in values.items()}
        return float(loss), predictions.numpy(), arrays

    def parameters(self, weights: list[Any]) -> dict[str, np.ndarray]:
        """Return all `weights` and all `biases`, float32 [n] each, valid until the next call."""
        return {"weights": self._weights.collect(weights), "biases": self._biases.collect(weights)}

    def _function(self, source: QuantileSource) -> Any:
        """Return a function of one fixed shape: finding it per call takes longer than the call."""
        if source not in self._functions:
            weights = [tf.TensorSpec(x.shape, x.dtype) for x in self._network.weights]
            images = tf.TensorSpec([None, *self._network.input_shape[1:]], tf.float32)
            labels = tf.TensorSpec([None], tf.uint8)

            def evaluate(weights: list[Any], images: Any, labels: Any) -> tuple[Any, ...]:
                return self._evaluate(weights, images, labels, source)

            # Without XLA, whose compilation would take longer than it saves.
            function = tf.function(evaluate)
            self._functions[source] = function.get_concrete_function(weights, images, labels)
        return self._functions[source]

    def _evaluate(
        self, weights: list[Any], images: Any, labels: Any, source: QuantileSource
    ) -> tuple[Any, ...]:
        with keras.StatelessScope(zip(self._network.weights, weights, strict=True)):
            scaled = images / self._scale
            logits, sums, outputs = _run_layers(self._network, self._activations, scaled)
        loss = tf.reduce_mean(cross_entropy(tf.cast(labels, tf.int32), logits))
        predictions = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return loss, predictions, _select_values(source, sums, outputs)


class _Parameters:
    """The trainable weights of a network that fulfil a condition."""

    def __init__(self, network: keras.Model, condition: Callable[[Any], bool]) -> None:
        self._indices = [
            index
            for index, weight in enumerate(network.weights)
            if weight.trainable and condition(weight)
        ]
        sizes = [int(np.prod(network.weights[index].shape)) for index in self._indices]
        self._values = np.empty(sum(sizes), "f4")

    def collect(self, weights: list[Any]) -> np.ndarray:
        """Return their values, float32 [n]."""
        if self._indices:
            values = [np.asarray(weights[index]).ravel() for index in self._indices]
            np.concatenate(values, out=self._values)
        return self._values


def resolve_quantile_source(network: keras.Model, source: QuantileSource) -> QuantileSource:
    """Return what `auto` means for this network; any other source unchanged."""
    if source != "auto":
        return source
    normalized = any(isinstance(x, keras.layers.BatchNormalization) for x in network.layers)
    return "activations" if normalized else "parameters"


def is_same_in_training(network: keras.Model) -> bool:
    """Return whether the network computes the same in training: no dropout, noise or batch norm."""
    return all(
        # A dense layer uses the argument only for quantization.
        isinstance(layer, keras.layers.Dense) or "training" not in signature(layer.call).parameters
        for layer in network.layers
    )


def separate_activations(
    network: keras.Model,
) -> tuple[keras.Model, dict[str, Callable[[Any], Any]]]:
    """Copy a network so that its weighted sums can be read.

    Returns:
        The network with the linear activation in each dense and convolutional layer, with the same
        weights in the same order; and the original activation function of each such layer by name.
    """
    activations: dict[str, Callable[[Any], Any]] = {}

    def copy_layer(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            activations[layer.name] = layer.activation
            config["activation"] = "linear"
        return type(layer).from_config(config)

    return keras.models.clone_model(network, clone_function=copy_layer), activations


def _run_layers(
    network: keras.Model, activations: dict[str, Callable[[Any], Any]], images: Any
) -> tuple[Any, list[Any], list[Any]]:
    """Run the layers of a network that `separate_activations` has copied.

    Dropout is off. Batch normalization uses the statistics of this batch, as in training, but its
    moving averages do not change.

    Args:
        network: the copy.
        activations: the activation function of each dense and convolutional layer.
        images: scaled, float32 [n, 28, 28, 1].

    Returns:
        Logits, float32 [n, 10]; the weighted sums of each layer; and the activations of each layer.
        Dense layers have 2 dimensions, convolutional layers 4. The first is that of the images.
    """
    sums: list[Any] = []
    outputs: list[Any] = []

    def run_layer(layer: Any, values: Any) -> Any:
        if isinstance(layer, keras.layers.BatchNormalization):
            return _normalize(layer, values)
        if layer.name in activations:
            values = layer(values)
            sums.append(values)
            activation = activations[layer.name]
            values = activation(values)
            if activation.__name__ not in EXCLUDED_ACTIVATIONS:
                outputs.append(values)
            return values
        values = layer(values, training=False)
        if isinstance(layer, keras.layers.Activation):
            outputs.append(values)
        return values

    logits = run_layers(network, images, run_layer)
    return tf.cast(logits, tf.float32), sums, outputs


def _select_values(source: QuantileSource, sums: list[Any], outputs: list[Any]) -> dict[str, Any]:
    """Return the values of a source by name, float32 of one dimension each (see `Snapshot`)."""
    if source == "parameters":
        return {}
    if source == "layer_maxima":
        convolutional = [output for output in outputs if len(output.shape) > 2]
        dense = [output for output in outputs if len(output.shape) == 2]
        return {
            "convolutional_maxima": _concatenate(_maxima(convolutional)),
            "dense_maxima": _concatenate(_maxima(dense)),
        }
    logits = _concatenate(_first_images(sums[:-1]))  # The last one is the output layer.
    values = _first_images(outputs) if source == "activations" else _maxima(outputs)
    return {"logits": logits, source: _concatenate(values)}


def _first_images(outputs: list[Any]) -> list[Any]:
    """Return the values of as many images as `MAX_VALUES` allows, at least one."""
    values_per_image = sum(int(np.prod(output.shape[1:])) for output in outputs)
    count = max(1, MAX_VALUES // max(1, values_per_image))
    return [output[:count] for output in outputs]


def _maxima(outputs: list[Any]) -> list[Any]:
    """Return the maxima over the batch."""
    return [tf.reduce_max(output, axis=0) for output in outputs]


def _normalize(layer: Any, values: Any) -> Any:
    """Normalize by the batch. Calling the layer in training mode would change its averages."""
    precise = tf.cast(values, tf.float32)
    mean, variance = tf.nn.moments(precise, axes=list(range(len(precise.shape) - 1)))
    normalized = tf.nn.batch_normalization(
        precise,
        mean,
        variance,
        layer.beta.value if layer.center else None,
        layer.gamma.value if layer.scale else None,
        layer.epsilon,
    )
    return tf.cast(normalized, values.dtype)


def _concatenate(tensors: list[Any]) -> Any:
    if not tensors:
        return tf.zeros([0])
    return tf.concat([tf.reshape(tf.cast(tensor, tf.float32), [-1]) for tensor in tensors], axis=0)
