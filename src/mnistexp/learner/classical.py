"""A scikit-learn classifier as a learner."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mnistexp.activity import show_activity
from mnistexp.config.config import Config
from mnistexp.data import Data, Split
from mnistexp.device import cpu_device, num_threads
from mnistexp.errors import ConfigError, DeviceError
from mnistexp.learner.learner import Learner, describe_images, pin_versions
from mnistexp.model import (
    ClassicalConfig,
    NetworkConfig,
    build_estimator,
    count_parameters,
)
from mnistexp.model.classical import CALIBRATION_SIZE
from mnistexp.model.sklearn_private import TRUSTED_TYPES
from mnistexp.tracking import ModelDescription
from mnistexp.train import (
    NO_CHECKPOINTS,
    NO_MONITORS,
    Checkpoints,
    History,
    LogMetrics,
    Monitors,
    TrainingResult,
)

TRAIN_ACCURACY_SIZE = 5_000
"""Number of training images for the training accuracy. Predicting is slow for some methods."""


class ClassicalLearner(Learner):
    """A scikit-learn classifier of raw pixels, one row per image."""

    def __init__(self, config: Config, data: Data) -> None:
        assert not isinstance(config.model, NetworkConfig)
        if config.device.type == "gpu":
            raise DeviceError(
                f"device.type: expected cpu or auto for {config.model.type}, which has no GPU "
                "version. Received: gpu"
            )
        self._config = config
        self._image_shape = data.image_shape
        self._metadata = describe_images(data)
        self._check_components(config.model)
        self._model: ClassicalConfig = config.model
        self.device = cpu_device()
        self._estimator: Any = build_estimator(self._model, config.seed, config.device.threads)
        self.summary = str(self._estimator)

    @property
    def num_parameters(self) -> int:
        """Number of values that the fitted estimator has learned or stores."""
        return count_parameters(self._estimator)

    @property
    def model(self) -> Any:
        """The estimator, of pixels [num_images, num_pixels] to probabilities per class."""
        return self._estimator

    def fit(
        self,
        data: Data,
        log_metrics: LogMetrics,
        monitors: Monitors = NO_MONITORS,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> TrainingResult:
        """Fit on `data.train` in one step. Monitors and checkpoints are for networks only."""
        begin = time.perf_counter()
        with show_activity(f"fitting {self._model.type} on {len(data.train):,} images"):
            self._fit(data.train)
        seconds = time.perf_counter() - begin
        history = History(log_metrics)
        sample = data.train[:TRAIN_ACCURACY_SIZE]
        predictions = self.predict_probabilities(sample.images).argmax(axis=1)
        history.record({"train_accuracy": float((predictions == sample.labels).mean())}, step=1)
        return TrainingResult(history, 1, seconds, len(data.train) / seconds)

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float64 [num_images, num_classes] for uint8 images."""
        probabilities: np.ndarray = self._estimator.predict_proba(images.reshape(len(images), -1))
        return probabilities

    def first_layer(self) -> np.ndarray | None:
        """Return the weights of each class, or the importance of each pixel, as images."""
        last = self._estimator[-1] if hasattr(self._estimator, "steps") else self._estimator
        for name in ("coef_", "feature_importances_"):
            values = getattr(last, name, None)
            if isinstance(values, np.ndarray) and values.shape[-1] == self._num_pixels:
                images: np.ndarray = values.reshape(-1, *self._image_shape).mean(axis=-1)
                return images
        return None

    def digest(self) -> str:
        """Return the SHA-256 of the probabilities for fixed random images.

        Not of the parameters, which trees have in no defined order.
        """
        return digest_predictions(self.predict_probabilities, self._image_shape)

    def save(self, folder: Path) -> ModelDescription:
        """Write a skops file of raw pixels to probabilities."""
        return save_estimator(self._estimator, folder, self._metadata)

    def tags(self) -> dict[str, str]:
        """Return the device, the number of threads and the precision as tags of the run."""
        return {
            "device": self.device.name,
            "device_type": "cpu",
            "threads": str(num_threads(self._config.device)),
            "precision": "float64",
        }

    @property
    def _num_pixels(self) -> int:
        return math.prod(self._image_shape)

    def _check_components(self, model: ClassicalConfig) -> None:
        components = getattr(model, "components", None)
        if components is not None and components > self._num_pixels:
            raise ConfigError(
                f"model.components: expected at most {self._num_pixels}, the number of pixels. "
                f"Received: {components}"
            )

    def _fit(self, train: Split) -> None:
        pixels, labels = train.images.reshape(len(train), -1), train.labels
        if hasattr(self._estimator, "predict_proba"):
            self._estimator.fit(pixels, labels)
        else:
            self._estimator = _fit_calibrated(self._estimator, pixels, labels)


def save_estimator(estimator: Any, folder: Path, metadata: Mapping[str, Any]) -> ModelDescription:
    """Write the skops file of a classifier, and what MLflow needs to load it.

    Args:
        estimator: raw pixels, one row per image, to probabilities.
        folder: does not exist yet.
        metadata: about the training images, see `describe_images`.
    """
    import skops.io

    folder.mkdir(parents=True)
    file = folder / "model.skops"
    skops.io.dump(estimator, file)
    return ModelDescription(
        flavor="sklearn",
        flavor_options={
            "pickled_model": file.name,
            "sklearn_version": version("scikit-learn"),
            "serialization_format": "skops",
            "skops_trusted_types": list(TRUSTED_TYPES),
        },
        loader_options={"model_path": file.name, "predict_fn": "predict_proba"},
        input_shape=[math.prod(metadata["image_shape"])],
        output_size=len(metadata["class_names"]),
        output_dtype="float64",
        metadata=metadata,
        requirements=pin_versions("scikit-learn", "skops", "numpy"),
    )


def digest_predictions(
    predict: Callable[[np.ndarray], np.ndarray], image_shape: tuple[int, int, int]
) -> str:
    """Return the SHA-256 of the probabilities for 100 fixed random images."""
    images = np.random.default_rng(0).integers(0, 256, (100, *image_shape), "u1")
    return hashlib.sha256(predict(images).tobytes()).hexdigest()


def _fit_calibrated(estimator: Any, pixels: np.ndarray, labels: np.ndarray) -> Any:
    """Fit the estimator, and calibrate it with a temperature on held-out training images."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    num_held_out = min(CALIBRATION_SIZE, len(labels) // 10)
    estimator.fit(pixels[num_held_out:], labels[num_held_out:])
    # The folds do not matter for a frozen estimator; two folds need the fewest images.
    calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method="temperature", cv=2)
    return calibrated.fit(pixels[:num_held_out], labels[:num_held_out])
