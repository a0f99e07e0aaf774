"""The training loop: metrics, learning rates, accuracy and equal results for equal seeds."""

from typing import Any

import keras
import numpy as np
import pytest
from support import train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.train.compiled_trainer import CompiledTrainer


def run(*overrides: str) -> RunResult:
    return run_experiment(compose_config([*overrides, "tracking=none"])[0])


def test_the_input_pipeline_runs_without_autotuning(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that tunes a tf.data pipeline can make a training take twice as long."""
    autotuning = []
    keras_fit = keras.Model.fit

    def record_options(model: keras.Model, dataset: Any, **settings: Any) -> Any:
        autotuning.append(dataset.options().autotune.enabled)
        return keras_fit(model, dataset, **settings)

    monkeypatch.setattr(keras.Model, "fit", record_options)
    train_network(data, "model=softmax", "train.steps=10")
    assert autotuning == [False]


def test_training_metrics_are_means_over_the_steps_since_the_last_log(data: Data) -> None:
    _, every_step = train_network(data, "train.steps=20", "train.log_every=1")
    _, every_ten = train_network(data, "train.steps=20", "train.log_every=10")
    for name in ("train_loss", "train_accuracy"):
        single = list(every_step.history[name].values())
        expected = [np.mean(single[:10]), np.mean(single[10:])]
        assert list(every_ten.history[name].values()) == pytest.approx(expected)


def test_evaluation_agrees_with_plain_keras(data: Data) -> None:
    network, training = train_network(data, "train.steps=20", "train.evaluate_on=[validation,test]")
    network.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    for prefix, split in (("val", data.validation), ("test", data.test)):
        expected = network.evaluate(split.images / np.float32(255), split.labels, verbose=0)
        actual = [training.history.last(f"{prefix}_{name}") for name in ("loss", "accuracy")]
        assert actual == pytest.approx(expected, rel=1e-5)


def test_the_logged_learning_rate_is_that_of_the_last_step(data: Data) -> None:
    _, training = train_network(data, "optim=adam_decay", "train.steps=30", "train.log_every=10")
    expected = {step: 0.0001 + 0.003 * np.exp(-(step - 1) / 2000) for step in (10, 20, 30)}
    assert training.history["learning_rate"] == pytest.approx(expected)


def test_metrics_are_logged_at_their_intervals(data: Data) -> None:
    _, training = train_network(
        data, "train.steps=50", "train.log_every=20", "train.evaluate_every=25"
    )
    assert list(training.history["train_loss"]) == [20, 25, 40, 50]
    assert list(training.history["val_loss"]) == [25, 50]
    assert training.num_steps == 50


@pytest.mark.parametrize("model", ["conv_big", "five_layers_dropout"])
def test_equal_seeds_give_equal_weights(model: str) -> None:
    settings = [f"model={model}", "optim=adam", "train.steps=30", "data.train_size=2000"]
    first, second, other = run(*settings), run(*settings), run(*settings, "seed=1")
    assert first.learner.digest() == second.learner.digest() != other.learner.digest()
    assert first.history["train_loss"] == second.history["train_loss"]
    assert first.metrics["test_loss"] == second.metrics["test_loss"]


def test_logging_and_evaluating_more_often_does_not_change_the_weights() -> None:
    settings = ["model=conv_big", "optim=adam", "train.steps=30", "data.train_size=2000"]
    often = run(
        *settings, "train.log_every=3", "train.evaluate_every=7", "train.evaluate_on=[test]"
    )
    assert often.learner.digest() == run(*settings).learner.digest()


@pytest.mark.parametrize("xla", [False, True])
def test_large_images_are_trained_in_short_calls_with_the_same_result(
    data: Data, monkeypatch: pytest.MonkeyPatch, xla: bool
) -> None:
    settings = ["train.steps=30", "train.log_every=10"]
    expected, _ = train_network(data, *settings, xla=xla)
    batches = []
    monkeypatch.setattr("mnistexp.train.compiled_trainer.MAX_CHUNK_BYTES", 3 * 100 * 28 * 28)
    run_batches = CompiledTrainer._run_batches

    def note_and_run(trainer: CompiledTrainer, num_steps: int) -> Any:
        batches.append((num_steps, len(trainer._indices)))
        return run_batches(trainer, num_steps)

    monkeypatch.setattr(CompiledTrainer, "_run_batches", note_and_run)
    received, _ = train_network(data, *settings, xla=xla)
    # A call without a step compiles the loop.
    assert batches == [(0, 3), *[(3, 3), (3, 3), (3, 3), (1, 3)] * 3]
    for weight, expected_weight in zip(received.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(weight, expected_weight)


def test_softmax_reaches_91_percent_in_one_epoch() -> None:
    assert run("train.epochs=1").metrics["test_accuracy"] > 0.91


def test_a_convolutional_network_reaches_96_percent_in_200_steps() -> None:
    result = run("model=conv_big", "optim=adam_decay", "train.steps=200")
    assert result.metrics["test_accuracy"] > 0.96


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_network_learns_with_reduced_precision(precision: str) -> None:
    settings = [
        *("model=two_layers", "model.layers.hidden1.units=30"),  # float16 is slow on a CPU.
        *("optim=adam", "optim.learning_rate=0.003", "train.steps=100"),
        *("data.validation_size=500", "data.test_slice=[0,500]"),
        *(f"device.precision={precision}", "device.xla=off"),
    ]
    result = run(*settings)
    assert result.metrics["test_accuracy"] > 0.85
    assert all(weight.dtype == np.float32 for weight in result.learner._network.get_weights())  # type: ignore[attr-defined]


def test_regularization_shrinks_the_weights(data: Data) -> None:
    settings = ["model=two_layers", "optim=sgd", "optim.learning_rate=0.1", "train.steps=40"]
    unregularized, _ = train_network(data, *settings)
    regularized, _ = train_network(
        data, *settings, "model.layers.hidden1.kernel_regularizer.l2=0.1"
    )
    assert (
        np.abs(regularized.get_layer("hidden1").kernel).mean()
        < np.abs(unregularized.get_layer("hidden1").kernel).mean()
    )
