"""What a trained learner is worth on a split."""

from typing import Protocol

import numpy as np

from mnistexp.data import Split

SMALLEST = float(np.finfo("f4").tiny)
"""A probability of 0 counts as this, so that a single image costs at most a loss of 87."""


class Predictor(Protocol):
    """Something that has learned."""

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to [num_images, 10], each row of sum 1."""


def evaluate(learner: Predictor, split: Split) -> dict[str, float]:
    """`loss` (mean cross-entropy in nats) and `accuracy` (0 to 1); nothing for an empty split."""
    if not len(split):
        return {}
    probabilities = learner.predict_probabilities(split.images)
    return {
        "loss": cross_entropy(probabilities, split.labels),
        "accuracy": float((probabilities.argmax(axis=1) == split.labels).mean()),
    }


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -ln(probability of the true class), in nats.

    Args:
        probabilities: [num_images, num_classes], each row of sum 1.
        labels: [num_images], from 0.
    """
    of_truth = probabilities[np.arange(len(labels)), labels].astype("f8")
    return float(-np.log(np.maximum(of_truth, SMALLEST)).mean())
