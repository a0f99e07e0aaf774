"""Experiments whose result shows what they are for, in trainings of up to a minute."""

import re

import numpy as np
import pytest
from support import Command, train_untracked

from mnistexp.errors import TrainingDiverged
from mnistexp.train import History

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def overfitting() -> History:
    """The history of a training without dropout that is long enough to overfit."""
    return train_untracked("failure_modes=overfitting", "train.steps=6000").history


def test_softmax_reaches_its_expected_accuracy(mnistexp: Command) -> None:
    outcome = mnistexp("lab=1_0_softmax")
    assert outcome.exit_code == 0
    assert re.search(r"^expected +0.9150 to 0.9260: met", outcome.out, re.MULTILINE)


def test_the_naive_cross_entropy_diverges_with_a_hint() -> None:
    with pytest.raises(TrainingDiverged, match=r"the loss became nan at step \d+.*train.loss="):
        train_untracked("failure_modes=naive_cross_entropy")


def test_a_high_learning_rate_makes_the_accuracy_noisy() -> None:
    def deviation(experiment: str) -> float:
        result = train_untracked(experiment, "train.steps=1500", "train.evaluate_every=50")
        return float(np.std(list(result.history["test_accuracy"].values())[-15:]))

    assert deviation("failure_modes=high_learning_rate") > 2 * deviation(
        "lab=2_1_five_layers_relu_decay"
    )


def test_overfitting_raises_the_test_loss(overfitting: History) -> None:
    losses = list(overfitting["test_loss"].values())
    assert losses[-1] > 1.1 * min(losses)
    last = list(overfitting["train_accuracy"].values())[-20:]
    assert np.mean(last) > 0.998


def test_dropout_lowers_the_test_loss(overfitting: History) -> None:
    with_dropout = train_untracked("lab=2_2_five_layers_dropout", "train.steps=6000").history
    lower, higher = with_dropout.last("test_loss"), overfitting.last("test_loss")
    assert lower is not None
    assert higher is not None
    assert lower < higher
