"""Metrics of predicted probabilities."""

import numpy as np
import pytest

from mnistexp.learner.metrics import cross_entropy


def test_cross_entropy_equals_its_formula() -> None:
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    assert cross_entropy(probabilities[:2], np.array([0, 1])) == pytest.approx(
        -(np.log(0.5) + np.log(0.75)) / 2
    )
    # The loss of an image is limited where the true class has probability 0.
    assert cross_entropy(probabilities[2:], np.array([1])) == pytest.approx(87.3, abs=0.1)
