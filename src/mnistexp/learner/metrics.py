"""Loss, accuracy and calibration of predicted probabilities."""

from abc import abstractmethod
from typing import Protocol

import numpy as np

from mnistexp.data import Split

NUM_BINS = 15
"""Number of bins of the calibration."""
MIN_PROBABILITY = float(np.finfo("f4").tiny)
"""Smaller probabilities count as this one, so that the loss of one image is at most 87."""


class Predictor(Protocol):
    """A model that predicts probabilities: a learner, or a loaded model."""

    @abstractmethod
    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return [num_images, num_classes], each row of sum 1, for uint8 images."""


def evaluate(model: Predictor, split: Split) -> dict[str, float]:
    """Return `loss` (mean cross-entropy in nats) and `accuracy` (0 to 1); {} for no images."""
    if not len(split):
        return {}
    return score(model.predict_probabilities(split.images), split.labels)


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `loss` and `accuracy` of predicted probabilities, as `evaluate` does.

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
    """Compare confidence and accuracy in 15 bins of confidence of equal width.

    The expected calibration error is the mean of |accuracy - confidence| over the bins, weighted
    by their images (C. Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3).

    Args:
        probabilities: [num_images, num_classes], each row of sum 1.
        labels: [num_images], from 0.

    Returns:
        (mean confidence, accuracy, number of images) of each bin with images; and the error.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of_image = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = [
        (float(confidence[inside].mean()), float(correct[inside].mean()), int(inside.sum()))
        for inside in (bin_of_image == number for number in np.unique(bin_of_image))
    ]
    gaps = [abs(accuracy - mean) * count for mean, accuracy, count in bins]
    return bins, sum(gaps) / len(labels)


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -ln(probability of the true class), in nats.

    Args:
        probabilities: [num_images, num_classes], each row of sum 1.
        labels: [num_images], from 0.
    """
    of_true_class = probabilities[np.arange(len(labels)), labels].astype("f8")
    return float(-np.log(np.maximum(of_true_class, MIN_PROBABILITY)).mean())
