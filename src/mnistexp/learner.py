"""What learns. One kind so far: a Keras network with its optimizer."""

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mnistexp.config import Config
from mnistexp.data import Data
from mnistexp.device import Device
from mnistexp.model import NetworkConfig, build_classifier, build_model
from mnistexp.optim import build_optimizer
from mnistexp.tracking import Tracker
from mnistexp.train import Training, fit

if TYPE_CHECKING:
    import keras
    from mlflow.models import Model

PREDICTION_BATCH = 1_000
FAST_IN_XLA = {"dense", "flatten", "activation", "batch_normalization", "dropout"}
"""On a CPU, XLA makes networks of these layers faster, and convolutions many times slower."""


class Learner(Protocol):
    """What can be fitted, asked and saved."""

    num_parameters: int
    summary: str

    def fit(self, data: Data, tracker: Tracker) -> Training:
        """Learn from `data.train`."""

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to float32 [num_images, 10], each row of sum 1."""

    def digest(self) -> str:
        """SHA-256 of what was learned."""

    def save(self, folder: str, mlflow_model: "Model | None" = None) -> None:
        """Write an MLflow model of uint8 images to probabilities to a new folder."""

    def tags(self) -> dict[str, str]:
        """How it computes, for the run's tags."""


def build_learner(config: Config, device: Device, data: Data) -> Learner:
    """The learner of a config, on a device that was set up, for data of this size.

    Raises:
        ConfigError: the layers do not fit each other.
    """
    return NetworkLearner(config, device, len(data.train))


class NetworkLearner:
    """A Keras network with its optimizer."""

    def __init__(self, config: Config, device: Device, num_images: int) -> None:
        """Args: num_images: of the training split, which makes the length of an epoch."""
        self._config = config
        self._device = device
        self._network = build_model(config.model)
        self._optimizer = build_optimizer(
            config.optim,
            num_steps=config.train.num_steps(num_images),
            steps_per_epoch=num_images / config.train.batch_size,
        )
        self._classifier = build_classifier(self._network, config.data.scale)
        self._xla = use_xla(config, device)
        self.num_parameters = sum(int(np.prod(w.shape)) for w in self._network.trainable_weights)
        self.summary = _summary(self._network)

    def fit(self, data: Data, tracker: Tracker) -> Training:
        """Train on `data.train`; see `mnistexp.train.fit`."""
        return fit(
            self._network,
            self._optimizer,
            self._config.train,
            {"train": data.train, "validation": data.validation, "test": data.test},
            scale=self._config.data.scale,
            seed=self._config.seed,
            xla=self._xla,
            log_metrics=tracker.log_metrics,
        )

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to float32 [num_images, 10], each row of sum 1."""
        return predict(self._classifier, images)

    def digest(self) -> str:
        """SHA-256 of all weights, in the order of the layers."""
        sha = hashlib.sha256()
        for weight in self._network.get_weights():
            sha.update(np.ascontiguousarray(weight).tobytes())
        return sha.hexdigest()

    def save(self, folder: str, mlflow_model: "Model | None" = None) -> None:
        """Write an MLflow model: plain Keras layers, raw pixels in, probabilities out."""
        import mlflow.tensorflow
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        pixels = TensorSpec(np.dtype("uint8"), (-1, 28, 28, 1))
        probabilities = TensorSpec(np.dtype("float32"), (-1, 10))
        mlflow.tensorflow.save_model(
            self._classifier,
            folder,
            mlflow_model=mlflow_model,
            signature=ModelSignature(Schema([pixels]), Schema([probabilities])),
            input_example=np.zeros((1, 28, 28, 1), "uint8"),
            pip_requirements=_requirements("tensorflow", "keras", "numpy"),
        )

    def tags(self) -> dict[str, str]:
        """Device, precision and whether XLA compiled the training."""
        return {
            "device": self._device.name,
            "device_type": self._device.type,
            "precision": self._config.device.precision,
            "xla": "on" if self._xla else "off",
        }


def predict(classifier: "keras.Model", images: np.ndarray) -> np.ndarray:
    """The probabilities, float32 [num_images, 10], of uint8 images [num_images, 28, 28, 1]."""
    import tensorflow as tf

    # Not Keras' `predict`: it would set up an input pipeline for what is one array.
    run = tf.function(lambda batch: classifier(batch, training=False), reduce_retracing=True)
    starts = range(0, len(images), PREDICTION_BATCH)
    batches = [run(tf.constant(images[start : start + PREDICTION_BATCH])) for start in starts]
    return np.concatenate([batch.numpy() for batch in batches])


def use_xla(config: Config, device: Device) -> bool:
    """Whether XLA compiles the training loop: the setting, or what is known to be faster."""
    if config.device.xla != "auto":
        return config.device.xla == "on"
    if device.type == "gpu":
        return True
    model: NetworkConfig = config.model
    types = [layer.type for layer in model.layers.values() if layer is not None]
    # A single dense layer is so small that compiling it costs more than it saves.
    return set(types) <= FAST_IN_XLA and types.count("dense") > 1


def _requirements(*packages: str) -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in packages]


def _summary(network: Any) -> str:
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lines.append)
    return "\n".join(lines)
