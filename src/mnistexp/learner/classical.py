"""A classical method of scikit-learn as a learner."""

import hashlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.config.config import Config
from mnistexp.data import Data, Split
from mnistexp.device import processor
from mnistexp.errors import DeviceError
from mnistexp.learner.requirements import pinned
from mnistexp.model import (
    IMAGE_SHAPE,
    ClassicalConfig,
    NetworkConfig,
    build_estimator,
    count_parameters,
)
from mnistexp.model.classical import CALIBRATION_SIZE
from mnistexp.train import NO_MONITORS, History, LogMetrics, Monitors, Training

if TYPE_CHECKING:
    from mlflow.models import Model

TRAIN_ACCURACY_SIZE = 5_000
"""Training images that the training accuracy is measured on; asking some methods is slow."""
TRUSTED_TYPES = (
    "sklearn.tree._tree.Tree",  # Its node indices are not checked: load files of your own only.
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.ensemble._hist_gradient_boosting.common.X_DTYPE",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
)
"""All that a stored model may hold beside what skops trusts by itself."""


class ClassicalLearner:
    """A scikit-learn classifier of raw pixels, 784 in a row."""

    def __init__(self, config: Config) -> None:
        assert not isinstance(config.model, NetworkConfig)
        if config.device.type == "gpu":
            raise DeviceError(
                f"device.type: expected cpu or auto for {config.model.type}, which has no GPU "
                "version. Received: gpu"
            )
        self._config = config
        self._model: ClassicalConfig = config.model
        self.device = processor()
        self._estimator: Any = build_estimator(self._model, config.seed, config.device.threads)
        self.summary = str(self._estimator)

    @property
    def num_parameters(self) -> int:
        """How many numbers it has learned or keeps."""
        return count_parameters(self._estimator)

    @property
    def model(self) -> Any:
        """The estimator, of pixels [num_images, 784]."""
        return self._estimator

    def fit(
        self, data: Data, log_metrics: LogMetrics, monitors: Monitors = NO_MONITORS
    ) -> Training:
        """Fit on `data.train`, in one step, which is nothing to watch."""
        print(f"fitting {self._model.type} on {len(data.train):,} images …", flush=True)
        begin = time.perf_counter()
        self._fit(data.train)
        seconds = time.perf_counter() - begin
        history = History(log_metrics)
        sample = data.train[:TRAIN_ACCURACY_SIZE]
        computed = self.predict_probabilities(sample.images).argmax(axis=1)
        history.record({"train_accuracy": float((computed == sample.labels).mean())}, step=1)
        return Training(history, 1, seconds, len(data.train) / seconds)

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to float64 [num_images, 10], each row of sum 1."""
        probabilities: np.ndarray = self._estimator.predict_proba(images.reshape(len(images), -1))
        return probabilities

    def first_layer(self) -> np.ndarray | None:
        """What it makes of each pixel: the weights for each digit, or the pixels' importance."""
        last = self._estimator[-1] if hasattr(self._estimator, "steps") else self._estimator
        for name in ("coef_", "feature_importances_"):
            found = getattr(last, name, None)
            if isinstance(found, np.ndarray) and found.shape[-1] == np.prod(IMAGE_SHAPE):
                return found.reshape(-1, *IMAGE_SHAPE[:2])
        return None

    def digest(self) -> str:
        """SHA-256 of the probabilities of a fixed set of images: trees have no order of weights."""
        images = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1), "u1")
        return hashlib.sha256(self.predict_probabilities(images).tobytes()).hexdigest()

    def save(self, folder: str, mlflow_model: "Model | None" = None) -> None:
        """Write an MLflow model of raw pixels to probabilities, by skops, without pickle."""
        import mlflow.sklearn
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        pixels = TensorSpec(np.dtype("uint8"), (-1, 784))
        probabilities = TensorSpec(np.dtype("float64"), (-1, 10))
        mlflow.sklearn.save_model(
            self._estimator,
            folder,
            mlflow_model=mlflow_model,
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            pyfunc_predict_fn="predict_proba",
            signature=ModelSignature(Schema([pixels]), Schema([probabilities])),
            input_example=np.zeros((1, 784), "u1"),
            pip_requirements=pinned("scikit-learn", "skops", "numpy"),
        )

    def tags(self) -> dict[str, str]:
        """The processor."""
        return {"device": self.device.name, "device_type": "cpu", "precision": "float64"}

    def _fit(self, train: Split) -> None:
        pixels, labels = train.images.reshape(len(train), -1), train.labels
        if hasattr(self._estimator, "predict_proba"):
            self._estimator.fit(pixels, labels)
        else:
            self._estimator = _calibrated(self._estimator, pixels, labels)


def _calibrated(estimator: Any, pixels: np.ndarray, labels: np.ndarray) -> Any:
    """Fitted, with a temperature from training images that the fit did not see."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    kept_back = min(CALIBRATION_SIZE, len(labels) // 10)
    estimator.fit(pixels[kept_back:], labels[kept_back:])
    # The folds change nothing for a frozen estimator; two of them need the fewest images.
    calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method="temperature", cv=2)
    return calibrated.fit(pixels[:kept_back], labels[:kept_back])
