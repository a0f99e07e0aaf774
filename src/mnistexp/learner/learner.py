"""The base class of all learners."""

from abc import ABC, abstractmethod
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mnistexp.data import Data, measure_image_style
from mnistexp.device import Device
from mnistexp.learner.metrics import Predictor
from mnistexp.tracking import ModelDescription
from mnistexp.train import (
    NO_CHECKPOINTS,
    NO_MONITORS,
    Checkpoints,
    LogMetrics,
    Monitors,
    TrainingResult,
)


class Learner(Predictor, ABC):
    """A model that can be fitted, evaluated and saved.

    device: where it computes. summary: its layers or settings, as text.
    """

    device: Device
    summary: str

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """Number of values that it learns or stores. A classical method must be fitted first."""

    @property
    @abstractmethod
    def model(self) -> Any:
        """The Keras model or scikit-learn estimator, of raw pixels to probabilities."""

    @abstractmethod
    def fit(
        self,
        data: Data,
        log_metrics: LogMetrics,
        monitors: Monitors = NO_MONITORS,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> TrainingResult:
        """Fit on `data.train`.

        Args:
            data: the splits.
            log_metrics: receives every metric as soon as it is measured.
            monitors: outputs that are written during the training of a network.
            checkpoints: of the training of a network.
        """

    def augment(self, images: np.ndarray) -> np.ndarray | None:
        """Return images as the first step of the training changes them; None if none does.

        Args:
            images: uint8 [n, height, width, channels].
        """

    @abstractmethod
    def first_layer(self) -> np.ndarray | None:
        """Return the weights of each unit of the first layer, [num_units, height, width].

        Returns:
            None where the first layer does not see the image.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return a SHA-256 that is equal for equal fitted models."""

    @abstractmethod
    def save(self, folder: Path) -> ModelDescription:
        """Write the model of raw pixels to probabilities, without pickle.

        Args:
            folder: does not exist yet.

        Returns:
            What completes the files to an MLflow model; see `package_model`.
        """

    def save_rejection_rule(self, data: Data, folder: Path) -> None:
        """Write the rule that refuses images unlike the training images, if there is one.

        Args:
            folder: of the saved model.
        """

    @abstractmethod
    def tags(self) -> dict[str, str]:
        """Return the device, the number of threads and the precision as tags of the run."""


def describe_images(data: Data) -> dict[str, Any]:
    """Return the metadata of a logged model, about its training images.

    These are their shape, the names of the classes and, for gray images, their style.
    """
    metadata: dict[str, Any] = {
        "image_shape": list(data.image_shape),
        "class_names": list(data.class_names),
    }
    if data.image_shape[2] == 1:
        metadata["image_style"] = asdict(measure_image_style(data.train.images))
    return metadata


def pin_versions(*packages: str) -> list[str]:
    """Return the packages in their installed versions: `["numpy==2.4.6"]`."""
    return [f"{name}=={version(name)}" for name in packages]
