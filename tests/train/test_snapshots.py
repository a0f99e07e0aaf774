"""Snapshots of a training, against independent computations with NumPy and Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import network_config, train_network

from mnistexp.augmentation.transforms import Augmentation
from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.errors import TrainingDiverged
from mnistexp.model import build_model
from mnistexp.train import QuantileSource, Snapshot, SnapshotRecorder, TrainingResult
from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.layer_statistics import LayerStatistics
from mnistexp.train.snapshot import quantile_edges

ONE_EVALUATION = "train.evaluate_every=1000"
"""Evaluate only after the last step."""


class ListRecorder(SnapshotRecorder):
    """Keeps all snapshots in a list."""

    def __init__(self, quantile_source: QuantileSource = "auto") -> None:
        self.quantile_source: QuantileSource = quantile_source
        self.snapshots: list[Snapshot] = []

    def record(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)


def train(
    data: Data, recorder: ListRecorder | None, *overrides: str, xla: bool = False
) -> tuple[keras.Model, TrainingResult]:
    return train_network(data, *overrides, "train.evaluate_on=[]", recorder=recorder, xla=xla)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 1000, 184_900])
def test_quantile_edges_are_the_quantiles_that_numpy_computes(size: int) -> None:
    values = np.random.default_rng(size).normal(size=size).astype("f4")
    expected = np.quantile(values.astype("f8"), np.arange(8) / 7)
    np.testing.assert_allclose(quantile_edges(values.copy()), expected, rtol=1e-5, atol=1e-7)


def test_quantile_edges_of_no_values_are_nan() -> None:
    assert np.isnan(quantile_edges(np.empty(0, "f4"))).all()


@pytest.mark.parametrize("xla", [False, True])
def test_quantiles_cover_the_weights_and_biases_of_all_layers(data: Data, xla: bool) -> None:
    recorder = ListRecorder()
    network, _ = train(data, recorder, "model=five_layers", "train.steps=30", xla=xla)
    weights = np.concatenate([w.ravel() for w in network.get_weights() if w.ndim > 1])
    biases = np.concatenate([w.ravel() for w in network.get_weights() if w.ndim == 1])
    assert len(weights) + len(biases) == 185_300
    last = recorder.snapshots[-1].quantiles
    assert list(last) == ["weights", "biases"]
    for name, values in (("weights", weights), ("biases", biases)):
        np.testing.assert_allclose(last[name], np.quantile(values, np.arange(8) / 7), rtol=1e-5)


def compute_forward_pass(
    network: keras.Model, images: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the weighted sums and the activations of dense layers with batch norm and relu."""
    sums, activations = [], []
    values = images.reshape(len(images), -1).astype("f8") / 255
    for number in (1, 2, 3, 4):
        sums.append(values @ network.get_layer(f"hidden{number}").kernel.numpy())
        norm = network.get_layer(f"norm{number}")
        centered = (sums[-1] - sums[-1].mean(axis=0)) / np.sqrt(sums[-1].var(axis=0) + 1e-5)
        values = np.maximum(centered + norm.beta.numpy(), 0)
        activations.append(values)
    last = network.get_layer("logits")
    sums.append(values @ last.kernel.numpy() + last.bias.numpy())
    return sums, activations


def test_networks_with_batch_normalization_give_quantiles_of_logits_and_activations(
    data: Data,
) -> None:
    recorder = ListRecorder()
    settings = ["model=five_layers_batchnorm", "optim=adam", "train.steps=20"]
    network, _ = train(data, recorder, *settings)
    last = recorder.snapshots[-1]
    sums, activations = compute_forward_pass(network, data.train.images[last.batch])
    logits = np.concatenate([values.ravel() for values in sums[:-1]])  # Of the hidden layers.
    outputs = np.concatenate([values.ravel() for values in activations])
    expected = np.quantile(logits, np.arange(8) / 7)
    np.testing.assert_allclose(last.quantiles["logits"], expected, rtol=1e-3, atol=1e-3)
    expected = np.quantile(outputs, np.arange(8) / 7)
    np.testing.assert_allclose(last.quantiles["activations"], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(last.on_batch.predictions, sums[-1].argmax(axis=1))


def test_activations_that_are_part_of_a_dense_layer_are_included(data: Data) -> None:
    recorder = ListRecorder("activations")
    network, _ = train(data, recorder, "model=two_layers", "train.steps=5")
    images = data.train.images[recorder.snapshots[-1].batch].reshape(-1, 784) / 255
    hidden = network.get_layer("hidden1")
    sums = images @ hidden.kernel.numpy() + hidden.bias.numpy()
    outputs = keras.activations.get(hidden.activation)(sums).numpy()
    expected = np.quantile(outputs, np.arange(8) / 7)
    np.testing.assert_allclose(recorder.snapshots[-1].quantiles["activations"], expected, atol=1e-4)


def test_layer_statistics_leave_the_trained_layers_unchanged(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed layer would lose its activation if Keras compiled the model at that time."""
    network = build_model(network_config("model=two_layers"))
    weights = [weight.value.read_value() for weight in network.weights]
    statistics = LayerStatistics(network, 255.0)
    changed = []
    set_attribute = keras.layers.Dense.__setattr__

    def record_change(layer: keras.layers.Dense, name: str, value: object) -> None:
        changed.append(layer)
        set_attribute(layer, name, value)

    monkeypatch.setattr(keras.layers.Dense, "__setattr__", record_change)
    statistics.evaluate(weights, data.train.images[:10], data.train.labels[:10], "activations")
    assert changed
    assert not {id(layer) for layer in changed} & {id(layer) for layer in network.layers}


@pytest.mark.parametrize("model", ["five_layers_batchnorm", "five_layers_dropout"])
def test_recording_snapshots_changes_no_result(data: Data, model: str) -> None:
    settings = [f"model={model}", "optim=adam", "train.steps=60", "train.log_every=7"]
    recorded_network, recorded = train(data, ListRecorder("activations"), *settings)
    other_network, other = train(data, None, *settings)
    for weights, expected in zip(
        recorded_network.get_weights(), other_network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weights, expected)
    for name in ("train_loss", "train_accuracy", "learning_rate"):
        assert recorded.history[name] == other.history[name]
    assert not recorded.history["test_loss"]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("model", ["five_layers", "five_layers_dropout"])
@pytest.mark.parametrize("steps", [25, 50])
def test_a_snapshot_shows_the_next_batch_before_its_update_without_dropout(
    data: Data, model: str, steps: int, xla: bool
) -> None:
    recorder = ListRecorder("parameters")
    settings = [
        f"model={model}",
        "optim=adam",
        "train.batch_size=150",
        "train.log_every=25",
        ONE_EVALUATION,
    ]
    train(data, recorder, *settings, "train.steps=50", xla=xla)
    assert [snapshot.step for snapshot in recorder.snapshots] == [0, 25, 50]
    snapshot = recorder.snapshots[steps // 25]

    network, _ = train(data, None, *settings, f"train.steps={steps}", xla=xla)
    batch = BatchOrder(2_000, 150, "every_epoch", seed=1).take(51)[steps]
    logits = network(data.train.images[batch] / np.float32(255)).numpy()
    truth = data.train.labels[batch]
    assert snapshot.batch.tolist() == batch[:100].tolist()
    np.testing.assert_array_equal(snapshot.on_batch.predictions, logits.argmax(axis=1)[:100])
    assert snapshot.on_batch.accuracy == pytest.approx((logits.argmax(axis=1) == truth).mean())
    loss = keras.losses.sparse_categorical_crossentropy(truth, logits, from_logits=True)
    assert snapshot.on_batch.loss == pytest.approx(float(np.mean(loss)), rel=1e-4)
    weights = np.concatenate([w.ravel() for w in network.get_weights() if w.ndim > 1])
    expected = np.quantile(weights, np.arange(8) / 7)
    np.testing.assert_allclose(snapshot.quantiles["weights"], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("source", ["parameters", "activations"])
def test_a_snapshot_shows_the_augmented_images_of_the_next_step(
    data: Data, source: QuantileSource
) -> None:
    recorder = ListRecorder(source)
    settings = ["model=two_layers", "augmentation=elastic", "train.log_every=10"]
    train(data, recorder, *settings, "train.steps=30", ONE_EVALUATION)
    change = Augmentation(compose_config(settings)[0].augmentation)
    batches = BatchOrder(2_000, 100, "every_epoch", seed=1).take(31)
    for snapshot in recorder.snapshots[:3]:
        seed = tf.constant([1, snapshot.step], tf.int64)
        images = change(data.train.images[batches[snapshot.step]], seed).numpy()
        assert snapshot.augmented is not None
        difference = snapshot.augmented.reshape(images.shape) - images
        assert np.abs(difference).max() < 0.6  # They are rounded.
        network, _ = train(data, None, *settings, f"train.steps={max(snapshot.step, 1)}")
        if snapshot.step:
            predictions = network(images / 255).numpy().argmax(axis=1)
            assert (snapshot.on_batch.predictions == predictions).mean() >= 0.99


def test_the_last_snapshot_is_recorded_when_the_next_step_fails(data: Data) -> None:
    recorder = ListRecorder()
    settings = ["optim=sgd", "optim.learning_rate=1e30", "train.steps=50", "train.log_every=1"]
    with pytest.raises(TrainingDiverged):
        train(data, recorder, "model=five_layers", *settings, ONE_EVALUATION)
    seen = [snapshot.step for snapshot in recorder.snapshots]
    assert seen == list(range(len(seen)))
    assert np.isfinite(recorder.snapshots[0].on_batch.loss)
    assert np.isfinite(recorder.snapshots[0].quantiles["weights"]).all()


def test_evaluated_steps_include_the_test_images_whatever_evaluate_on_says(data: Data) -> None:
    recorder = ListRecorder()
    network, _ = train(data, recorder, "train.steps=30", "train.log_every=10", ONE_EVALUATION)
    assert [snapshot.on_test is not None for snapshot in recorder.snapshots] == [
        True,
        False,
        False,
        True,
    ]
    last = recorder.snapshots[-1].on_test
    assert last is not None
    logits = network(data.test.images / np.float32(255)).numpy()
    np.testing.assert_array_equal(last.predictions, logits.argmax(axis=1))
    assert last.accuracy == pytest.approx((logits.argmax(axis=1) == data.test.labels).mean())
