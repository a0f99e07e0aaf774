"""What a trained learner is worth on a split."""

from typing import Protocol

import numpy as np

from mnistexp.data import Split

NUM_BINS = 15
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
    return score(learner.predict_probabilities(split.images), split.labels)


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """`loss` and `accuracy` of what was predicted, as of `evaluate`.

    Args:
        probabilities: [num_images, num_classes], each row of sum 1.
        labels: [num_images], from 0.
    """
    return {
        "loss": cross_entropy(probabilities, labels),
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
    }


def calibration(
    probabilities: np.ndarray, labels: np.ndarray
) -> tuple[list[tuple[float, float, int]], float]:
    """How sure it is against how often it is right, in 15 bins of equal width.

    The expected calibration error is the mean of |accuracy - confidence| over the bins, weighted
    by their images (C. Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3).

    Args:
        probabilities: [num_images, num_classes], each row of sum 1.
        labels: [num_images], from 0.

    Returns:
        For each bin that has images (mean confidence, accuracy, number of images), and the error.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    numbers = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = [
        (float(confidence[inside].mean()), float(correct[inside].mean()), int(inside.sum()))
        for inside in (numbers == number for number in np.unique(numbers))
    ]
    gaps = [abs(accuracy - mean) * count for mean, accuracy, count in bins]
    return bins, sum(gaps) / len(labels)


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -ln(probability of the true class), in nats.

    Args:
        probabilities: [num_images, num_classes], each row of sum 1.
        labels: [num_images], from 0.
    """
    of_truth = probabilities[np.arange(len(labels)), labels].astype("f8")
    return float(-np.log(np.maximum(of_truth, SMALLEST)).mean())
