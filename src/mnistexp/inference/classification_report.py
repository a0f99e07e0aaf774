"""What a trained model is worth on a split, in detail."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistexp.data import Split
from mnistexp.learner.metrics import Predictor, calibration, score

NUM_CLASSES = 10
LEVEL = 0.95


@dataclass(frozen=True)
class ClassFigures:
    """One class: precision and recall, 0 to 1, and how many images the split has of it."""

    precision: float
    recall: float
    num_images: int


@dataclass(frozen=True)
class ClassificationReport:
    """How good a model is on some images.

    loss: mean cross-entropy in nats. accuracy: 0 to 1. interval: that the accuracy on endless such
    images lies in, with a confidence of 95 % (E. B. Wilson, Probable Inference, the Law of
    Succession, and Statistical Inference, 1927). calibration_error: see
    `learner.metrics.calibration`. classes: from 0 to 9. confusion: number of images by class
    and what they were taken for.
    """

    num_images: int
    loss: float
    accuracy: float
    interval: tuple[float, float]
    calibration_error: float
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def metrics(self) -> Mapping[str, float]:
        """What can be logged as metrics."""
        low, high = self.interval
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "calibration_error": self.calibration_error,
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def report_classification(model: Predictor, split: Split) -> ClassificationReport:
    """Ask a model about every image of a split, which has at least one."""
    probabilities = model.predict_probabilities(split.images)
    figures = score(probabilities, split.labels)
    answers = probabilities.argmax(axis=1)
    return ClassificationReport(
        num_images=len(split),
        loss=figures["loss"],
        accuracy=figures["accuracy"],
        interval=_interval(int((answers == split.labels).sum()), len(split)),
        calibration_error=calibration(probabilities, split.labels)[1],
        classes=_classes(split.labels, answers),
        confusion=_confusion(split.labels, answers),
    )


def _interval(num_correct: int, num_images: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(num_correct, num_images).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def _classes(labels: np.ndarray, answers: np.ndarray) -> tuple[ClassFigures, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    precisions, recalls, _, counts = precision_recall_fscore_support(
        labels, answers, labels=range(NUM_CLASSES), zero_division=0.0
    )
    return tuple(
        ClassFigures(float(precision), float(recall), int(count))
        for precision, recall, count in zip(precisions, recalls, counts, strict=True)
    )


def _confusion(labels: np.ndarray, answers: np.ndarray) -> tuple[tuple[int, ...], ...]:
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(labels, answers, labels=range(NUM_CLASSES))
    return tuple(tuple(int(count) for count in row) for row in table)
