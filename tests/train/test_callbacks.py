"""Early stopping and the best weights."""

import numpy as np
import pytest
from support import train_network

from mnistexp.data import Data


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
    logits = network(data.validation.images / np.float32(255)).numpy()
    accuracy = (logits.argmax(axis=1) == data.validation.labels).mean()
    assert accuracy == pytest.approx(max(accuracies))
    assert max(accuracies) > accuracies[-1]
