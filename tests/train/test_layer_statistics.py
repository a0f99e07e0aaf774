"""Statistics of the layers, compared with the same network computed in NumPy."""

import keras
import numpy as np
import pytest

from mnistexp.train import QuantileSource, layer_statistics
from mnistexp.train.layer_statistics import (
    LayerStatistics,
    is_same_in_training,
    resolve_quantile_source,
    separate_activations,
)

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 28, 28, 1), "u1")
LABELS = np.arange(6, dtype="u1")
SOURCES_OF_MAXIMA: tuple[QuantileSource, ...] = ("maxima", "layer_maxima")


def build_network(*, normalize: bool = False, dropout: bool = False) -> keras.Model:
    """28×28 pixels, a hidden layer of 5 with relu, and 10 logits."""
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    if normalize:
        norm = keras.layers.BatchNormalization(scale=False, epsilon=1e-3)
        layers += [keras.layers.Dense(5, use_bias=False), norm, keras.layers.Activation("relu")]
    else:
        layers += [keras.layers.Dense(5, activation="relu")]
    if dropout:
        layers.append(keras.layers.Dropout(0.5))
    network = keras.Sequential([*layers, keras.layers.Dense(10)])
    functional = keras.Model(network.inputs, network.outputs)
    functional.set_weights(
        [RANDOM.normal(0, 0.1, weight.shape).astype("f4") for weight in functional.get_weights()]
    )
    return functional


def statistics(network: keras.Model) -> LayerStatistics:
    return LayerStatistics(network, scale=255.0)


def evaluate(
    network: keras.Model, source: QuantileSource = "activations"
) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
    weights = [weight.value for weight in network.weights]
    return statistics(network).evaluate(weights, IMAGES, LABELS, source)


def cross_entropy(logits: np.ndarray) -> float:
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.log(probabilities[np.arange(6), LABELS]).mean())


@pytest.mark.parametrize("dropout", [False, True])
def test_sums_and_activations_equal_those_in_numpy_with_dropout_off(dropout: bool) -> None:
    network = build_network(dropout=dropout)
    kernel1, bias1, kernel2, bias2 = network.get_weights()
    sums = IMAGES.reshape(6, -1) / 255.0 @ kernel1 + bias1
    hidden = np.maximum(sums, 0)
    logits = hidden @ kernel2 + bias2

    loss, predictions, values = evaluate(network)
    assert loss == pytest.approx(cross_entropy(logits), rel=1e-4)
    assert predictions.tolist() == logits.argmax(axis=1).tolist()
    assert list(values) == ["logits", "activations"]
    np.testing.assert_allclose(values["logits"], sums.ravel(), atol=1e-4)
    np.testing.assert_allclose(values["activations"], hidden.ravel(), atol=1e-4)


def test_batch_normalization_uses_the_batch_and_leaves_its_averages() -> None:
    network = build_network(normalize=True)
    before = network.get_weights()
    kernel1, beta, _, _, kernel2, bias2 = before
    sums = IMAGES.reshape(6, -1) / 255.0 @ kernel1
    hidden = np.maximum((sums - sums.mean(axis=0)) / np.sqrt(sums.var(axis=0) + 1e-3) + beta, 0)
    logits = hidden @ kernel2 + bias2

    loss, _, values = evaluate(network)
    assert loss == pytest.approx(cross_entropy(logits), rel=1e-3)
    np.testing.assert_allclose(values["activations"], hidden.ravel(), atol=1e-3)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_maxima_are_those_over_the_batch_in_one_panel_or_by_the_kind_of_layer() -> None:
    inputs = keras.Input((28, 28, 1))
    convolution = keras.layers.Conv2D(2, 3, strides=9, activation="sigmoid")(inputs)
    dense = keras.layers.Dense(5, activation="relu")(keras.layers.Flatten()(convolution))
    network = keras.Model(inputs, keras.layers.Dense(10)(dense))
    outputs = keras.Model(inputs, [convolution, dense])(IMAGES / 255.0)
    highest = [output.numpy().max(axis=0).ravel() for output in outputs]

    maxima, layer_maxima = (evaluate(network, source)[2] for source in SOURCES_OF_MAXIMA)
    assert list(maxima) == ["logits", "maxima"]
    np.testing.assert_allclose(maxima["maxima"], np.concatenate(highest), atol=1e-5)
    assert list(layer_maxima) == ["convolutional_maxima", "dense_maxima"]
    for values, expected in zip(layer_maxima.values(), highest, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_values_of_a_large_network_are_those_of_the_first_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build_network()
    everything = evaluate(network)[2]
    monkeypatch.setattr(layer_statistics, "MAX_VALUES", 3 * 5 + 1)  # Each image has 5.
    for name, values in evaluate(network)[2].items():
        np.testing.assert_array_equal(values, everything[name][: 3 * 5])


def test_parameters_are_all_kernels_and_all_offsets() -> None:
    network = build_network(normalize=True)
    kernel1, beta, _, _, kernel2, bias2 = network.get_weights()
    values = statistics(network).parameters(network.get_weights())
    np.testing.assert_array_equal(values["weights"], np.append(kernel1.ravel(), kernel2.ravel()))
    np.testing.assert_array_equal(values["biases"], np.append(beta, bias2))


def test_a_network_without_biases_has_no_values_for_them() -> None:
    inputs = keras.Input((28, 28, 1))
    outputs = keras.layers.Dense(10, use_bias=False)(keras.layers.Flatten()(inputs))
    network = keras.Model(inputs, outputs)
    assert statistics(network).parameters(network.get_weights())["biases"].size == 0


def test_separated_activations_leave_the_original_network_unchanged() -> None:
    network = build_network()
    copy, activations = separate_activations(network)
    functions = [activations[layer.name].__name__ for layer in network.layers[2:]]
    assert functions == ["relu", "linear"]
    assert [layer.activation.__name__ for layer in copy.layers[2:]] == ["linear", "linear"]
    assert [layer.activation.__name__ for layer in network.layers[2:]] == ["relu", "linear"]
    assert [w.shape for w in copy.weights] == [w.shape for w in network.weights]


def test_auto_means_activations_only_with_batch_normalization() -> None:
    plain, normalized = build_network(), build_network(normalize=True)
    assert resolve_quantile_source(plain, "auto") == "parameters"
    assert resolve_quantile_source(normalized, "auto") == "activations"
    assert resolve_quantile_source(normalized, "parameters") == "parameters"


def test_dropout_and_batch_normalization_compute_something_else_in_training() -> None:
    assert is_same_in_training(build_network())
    assert not is_same_in_training(build_network(dropout=True))
    assert not is_same_in_training(build_network(normalize=True))
