"""A JAX training loop: one compiled `lax.scan` over the steps of a block, data on the device."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mnistexp.model.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
)
from training_speed.block_timer import BlockTimer
from training_speed.case import ADAM_EPSILON, Case, initial_values

ACTIVATIONS = {"relu": jax.nn.relu, "linear": lambda values: values}
Values = dict[str, dict[str, Any]]
"""Arrays by layer and name."""


def train(case: Case, timer: BlockTimer) -> float:
    """Train; return the test accuracy."""
    data, layers, optim = case.data(), case.layers(), case.config().optim
    weights, averages = initialize(layers)
    images = jnp.asarray(data.train.images)
    labels = jnp.asarray(data.train.labels, jnp.int32)
    update = update_by_sgd if optim.type == "sgd" else update_by_adam
    zeros = jax.tree.map(jnp.zeros_like, weights)
    moments = () if optim.type == "sgd" else (zeros, jax.tree.map(jnp.zeros_like, weights))
    network = partial(apply_network, layers, jnp.bfloat16 if case.is_mixed else jnp.float32)

    def mean_loss(
        weights: Values, averages: Values, batch: Any, batch_labels: Any, key: Any
    ) -> Any:
        logits, averages = network(weights, averages, batch, key)
        losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), batch_labels[:, None], 1)
        accuracy = (logits.argmax(1) == batch_labels).mean()
        return losses.mean(), (accuracy, averages)

    def step(state: Any, indices: Any) -> tuple[Any, Any]:
        weights, averages, moments, key, count = state
        key, dropout_key = jax.random.split(key)
        batch, batch_labels = scale(images_of(indices)), labels_of(indices)
        (loss, (accuracy, averages)), gradients = jax.value_and_grad(mean_loss, has_aux=True)(
            weights, averages, batch, batch_labels, dropout_key
        )
        weights, moments = update(weights, moments, gradients, optim.learning_rate, count + 1)
        return (weights, averages, moments, key, count + 1), (loss, accuracy)

    def images_of(indices: Any) -> Any:
        return jnp.take(images, indices, axis=0)

    def labels_of(indices: Any) -> Any:
        return jnp.take(labels, indices, axis=0)

    run_block = jax.jit(lambda state, indices: lax.scan(step, state, indices), donate_argnums=0)
    state: Any = (weights, averages, moments, jax.random.key(0), jnp.array(0))
    batches = case.batches(len(labels))
    for _ in range(case.blocks):
        timer.begin()
        state, metrics = run_block(state, next(batches))
        jax.block_until_ready((state, metrics))
        timer.end()
    predict = jax.jit(lambda images: network(state[0], state[1], scale(images), None)[0].argmax(1))
    predicted = [predict(part) for part in np.split(data.test.images, 10)]
    return float(np.mean(np.concatenate(predicted) == data.test.labels))


def scale(images: Any) -> Any:
    """Return pixels of 0 to 255 as float32 from 0 to 1."""
    return images.astype(jnp.float32) * (1 / 255)


def initialize(layers: list[tuple[str, Layer]]) -> tuple[Values, Values]:
    """Return the weights, and the moving averages of the batch normalizations."""
    random = np.random.default_rng(0)
    shape: tuple[int, ...] = (28, 28, 1)
    weights: Values = {}
    averages: Values = {}
    for name, layer in layers:
        match layer:
            case Flatten():
                shape = (int(np.prod(shape)),)
            case Dense():
                kernel_shape: tuple[int, ...] = (shape[0], layer.units)
                shape = (layer.units,)
            case Conv2D():
                assert isinstance(layer.kernel_size, int)
                assert isinstance(layer.strides, int)
                kernel_shape = (layer.kernel_size, layer.kernel_size, shape[-1], layer.filters)
                shape = (*(-(-size // layer.strides) for size in shape[:2]), layer.filters)
            case BatchNormalization():
                beta = initial_values(layer.beta_initializer, shape[-1:], random)
                weights[name] = {"beta": jnp.asarray(beta)}
                averages[name] = {"mean": jnp.zeros(shape[-1:]), "variance": jnp.ones(shape[-1:])}
        if isinstance(layer, Dense | Conv2D):
            kernel = initial_values(layer.kernel_initializer, kernel_shape, random)
            weights[name] = {"kernel": jnp.asarray(kernel)}
            if layer.use_bias:
                bias = initial_values(layer.bias_initializer, shape[-1:], random)
                weights[name]["bias"] = jnp.asarray(bias)
    return weights, averages


def apply_network(
    layers: list[tuple[str, Layer]],
    dtype: Any,
    weights: Values,
    averages: Values,
    values: Any,
    key: Any,
) -> tuple[Any, Values]:
    """Return the logits, float32, and the moving averages after this batch.

    Args:
        dtype: of the computation.
        key: None after the training.
    """
    values, weights = values.astype(dtype), jax.tree.map(lambda w: w.astype(dtype), weights)
    new_averages: Values = {}
    for name, layer in layers:
        match layer:
            case Flatten():
                values = values.reshape(len(values), -1)
            case Dense():
                values = values @ weights[name]["kernel"]
            case Conv2D():
                strides = (layer.strides, layer.strides)
                dimensions = ("NHWC", "HWIO", "NHWC")
                values = lax.conv_general_dilated(
                    *(values, weights[name]["kernel"], strides, "SAME"),
                    dimension_numbers=dimensions,
                )
            case BatchNormalization():
                values, new_averages[name] = normalize(
                    layer, weights[name]["beta"], averages[name], values, training=key is not None
                )
            case Dropout() if key is not None:
                kept = jax.random.bernoulli(key, 1 - layer.rate, values.shape)
                values = jnp.where(kept, values / (1 - layer.rate), 0)
            case Activation():
                values = ACTIVATIONS[layer.activation](values)
        if isinstance(layer, Dense | Conv2D):
            if layer.use_bias:
                values = values + weights[name]["bias"]
            values = ACTIVATIONS[layer.activation](values)
    return values.astype(jnp.float32), new_averages


def normalize(
    layer: BatchNormalization, beta: Any, averages: dict[str, Any], values: Any, *, training: bool
) -> tuple[Any, dict[str, Any]]:
    """Normalize by the batch in the training, else by the averages; return the new averages."""
    dtype, values = values.dtype, values.astype(jnp.float32)
    mean, variance = averages["mean"], averages["variance"]
    if training:
        axes = tuple(range(values.ndim - 1))
        mean, variance = values.mean(axes), values.var(axes)
        batch = {"mean": mean, "variance": variance}
        keep = layer.momentum
        averages = {name: keep * averages[name] + (1 - keep) * batch[name] for name in averages}
    normalized = (values - mean) * lax.rsqrt(variance + layer.epsilon) + beta
    return normalized.astype(dtype), averages


def update_by_sgd(
    weights: Values, moments: Any, gradients: Values, rate: float, count: Any
) -> tuple[Any, Any]:
    """Return the new weights and no moments."""
    return jax.tree.map(lambda weight, slope: weight - rate * slope, weights, gradients), moments


def update_by_adam(
    weights: Values, moments: Any, gradients: Values, rate: float, count: Any
) -> tuple[Any, Any]:
    """Return the new weights and moments, with the formulas and defaults of Keras' Adam."""
    first = jax.tree.map(lambda mean, slope: mean + 0.1 * (slope - mean), moments[0], gradients)
    second = jax.tree.map(lambda m, slope: m + 0.001 * (slope**2 - m), moments[1], gradients)
    rate = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    weights = jax.tree.map(
        lambda weight, mean, square: weight - rate * mean / (jnp.sqrt(square) + ADAM_EPSILON),
        *(weights, first, second),
    )
    return weights, (first, second)
