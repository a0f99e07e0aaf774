"""Metrics of a trained model on a split: accuracy, loss, calibration, and metrics per class."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistexp.data import Split
from mnistexp.learner.metrics import Predictor, calibration, score

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class ClassMetrics:
    """Precision and recall of one class, 0 to 1, and the number of its images in the split."""

    precision: float
    recall: float
    num_images: int


@dataclass(frozen=True)
class ClassificationReport:
    """The metrics of a model on a split.

    loss: mean cross-entropy in nats. accuracy: 0 to 1. interval: the 95 % confidence interval of
    the accuracy (E. B. Wilson, Probable Inference, the Law of Succession, and Statistical
    Inference, 1927). calibration_error: see `learner.metrics.calibration`. classes: in the
    order of their labels. confusion: numbers of images, a row for each true class, a column for
    each predicted one.
    """

    num_images: int
    loss: float
    accuracy: float
    interval: tuple[float, float]
    calibration_error: float
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def metrics(self) -> Mapping[str, float]:
        """The single numbers, which can be logged as metrics."""
        low, high = self.interval
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "calibration_error": self.calibration_error,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return asdict(self)


def report_classification(model: Predictor, split: Split) -> ClassificationReport:
    """Classify all images of a split, which must have at least one, and compute the metrics."""
    probabilities = model.predict_probabilities(split.images)
    predicted = probabilities.argmax(axis=1)
    metrics = score(probabilities, split.labels)
    return ClassificationReport(
        num_images=len(split),
        loss=metrics["loss"],
        accuracy=metrics["accuracy"],
        interval=_confidence_interval(int((predicted == split.labels).sum()), len(split)),
        calibration_error=calibration(probabilities, split.labels)[1],
        classes=_class_metrics(split.labels, predicted, probabilities.shape[1]),
        confusion=_confusion_matrix(split.labels, predicted, probabilities.shape[1]),
    )


def _confidence_interval(num_correct: int, num_images: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(num_correct, num_images).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def _class_metrics(
    labels: np.ndarray, predicted: np.ndarray, num_classes: int
) -> tuple[ClassMetrics, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    precisions, recalls, _, counts = precision_recall_fscore_support(
        labels, predicted, labels=range(num_classes), zero_division=0.0
    )
    return tuple(
        ClassMetrics(float(precision), float(recall), int(count))
        for precision, recall, count in zip(precisions, recalls, counts, strict=True)
    )


def _confusion_matrix(
    labels: np.ndarray, predicted: np.ndarray, num_classes: int
) -> tuple[tuple[int, ...], ...]:
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(labels, predicted, labels=range(num_classes))
    return tuple(tuple(int(count) for count in row) for row in matrix)
