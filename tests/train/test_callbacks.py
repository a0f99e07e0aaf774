"""Early stopping and the best weights."""

import keras
import numpy as np
import pytest
from support import train_network

from mnistexp.data import Data
from mnistexp.train import Target


def test_early_stopping_stops_after_patience_evaluations_without_improvement(data: Data) -> None:
    _, training = train_network(
        data,
        *("model=two_layers", "optim=sgd", "optim.learning_rate=1e-9", "train.steps=200"),
        *("train.evaluate_every=10", "train.early_stopping.patience=3", "train.evaluate_on=[]"),
        "train.early_stopping.min_delta=0.01",
    )
    # The first evaluation is the best; three more are not better.
    assert training.num_steps == 40


def test_the_best_weights_are_restored(data: Data) -> None:
    network, training = train_network(
        data,
        *("model=softmax", "optim=sgd", "optim.learning_rate=20.0", "train.steps=60"),
        *("train.evaluate_every=5", "train.restore_best_weights=val_accuracy"),
    )
    accuracies = list(training.history["val_accuracy"].values())
    accuracy = accuracy_of(network, data)
    assert accuracy == pytest.approx(max(accuracies))
    assert max(accuracies) > accuracies[-1]


def test_the_training_ends_at_the_first_evaluation_that_reaches_the_target(data: Data) -> None:
    settings = ["model=softmax", "optim=adam", "train.steps=200", "train.evaluate_every=10"]
    _, complete = train_network(data, *settings)
    target = 0.7
    reached = [s for s, value in complete.history["val_accuracy"].items() if value >= target]
    assert 10 < reached[0] < 200
    _, ended = train_network(data, *settings, f"train.target.value={target}")
    assert ended.num_steps == reached[0]
    assert ended.history["val_accuracy"] == {
        step: value
        for step, value in complete.history["val_accuracy"].items()
        if step <= reached[0]
    }


def test_a_target_for_the_loss_is_reached_from_above() -> None:
    target = Target(metric="val_loss", value=0.3)
    assert (target.is_reached(0.31), target.is_reached(0.3), target.is_reached(None)) == (
        False,
        True,
        False,
    )


@pytest.mark.parametrize("xla", [False, True])
def test_evaluations_and_the_best_weights_are_those_of_the_moving_average(
    data: Data, xla: bool
) -> None:
    settings = ["model=softmax", "optim=sgd", "optim.learning_rate=3.0", "train.steps=60"]
    settings += ["train.evaluate_every=5", "train.evaluate_at_start=true"]
    averaged = [*settings, "optim.use_ema=true", "optim.ema_momentum=0.9"]
    network, training = train_network(data, *averaged, xla=xla)
    assert training.history["val_accuracy"][60] == pytest.approx(accuracy_of(network, data))
    _, plain_training = train_network(data, *settings, xla=xla)
    losses, plain_losses = training.history["val_loss"], plain_training.history["val_loss"]
    assert losses[0] == plain_losses[0]
    assert losses[60] < plain_losses[60]  # The rate is so large that the weights oscillate.
    assert training.history["train_loss"] == plain_training.history["train_loss"]

    best, training = train_network(data, *averaged, "train.restore_best_weights=val_accuracy")
    highest = max(training.history["val_accuracy"].values())
    assert accuracy_of(best, data) == pytest.approx(highest)


def accuracy_of(network: keras.Model, data: Data) -> float:
    logits = network(data.validation.images / np.float32(255)).numpy()
    return float((logits.argmax(axis=1) == data.validation.labels).mean())
