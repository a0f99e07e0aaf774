"""What every learner can do."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mnistexp.data import Data
from mnistexp.device import Device
from mnistexp.train import NO_MONITORS, LogMetrics, Monitors, Training

if TYPE_CHECKING:
    from mlflow.models import Model


class Learner(Protocol):
    """What can be fitted, asked and saved."""

    device: Device
    summary: str
    """What it is made of, as text."""

    @property
    def num_parameters(self) -> int:
        """How many numbers it learns; of a classical method, known once it is fitted."""

    @property
    def model(self) -> Any:
        """The Keras model or scikit-learn estimator: raw pixels to probabilities."""

    def fit(
        self, data: Data, log_metrics: LogMetrics, monitors: Monitors = NO_MONITORS
    ) -> Training:
        """Learn from `data.train`, and tell every metric as soon as it is measured.

        Who is watching is shown how, if it happens step by step.
        """

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to [num_images, 10], each row of sum 1."""

    def first_layer(self) -> np.ndarray | None:
        """What each unit of the first layer looks for, [num_units, height, width]; or nothing."""

    def digest(self) -> str:
        """SHA-256 of what was learned."""

    def save(self, folder: str, mlflow_model: "Model | None" = None) -> None:
        """Write an MLflow model of raw pixels to probabilities to a new folder."""

    def tags(self) -> dict[str, str]:
        """How it computes, for the run's tags."""
