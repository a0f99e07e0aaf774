"""A Keras network with its optimizer as a learner."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.config.config import Config
from mnistexp.data import Data
from mnistexp.device import Device, set_up_device
from mnistexp.learner.requirements import pinned
from mnistexp.model import IMAGE_SHAPE, NetworkConfig, build_classifier, build_model
from mnistexp.optim import build_optimizer
from mnistexp.train import NO_MONITORS, LogMetrics, Monitors, Training, fit

if TYPE_CHECKING:
    import keras
    from mlflow.models import Model

PREDICTION_BATCH = 1_000
FAST_IN_XLA = {"dense", "flatten", "activation", "batch_normalization"}
"""On a CPU, XLA makes networks of these layers faster; convolutions and the random numbers of
dropout it makes ten times slower."""


class NetworkLearner:
    """A Keras network with its optimizer, on its device."""

    def __init__(self, config: Config, num_images: int) -> None:
        """Args: num_images: of the training split, which makes the length of an epoch."""
        assert isinstance(config.model, NetworkConfig)
        self._config = config
        self.device = set_up_device(config.device, config.seed)
        self._network = build_model(config.model)
        self._optimizer = build_optimizer(
            config.optim,
            num_steps=config.train.num_steps(num_images),
            steps_per_epoch=num_images / config.train.batch_size,
        )
        self._classifier = build_classifier(self._network, config.data.scale)
        self._xla = use_xla(config.model, config.device.xla, self.device)
        self.summary = _summary(self._network)

    @property
    def num_parameters(self) -> int:
        """Trainable weights and biases; the moving averages of batch normalisation are not."""
        return sum(int(np.prod(weight.shape)) for weight in self._network.trainable_weights)

    @property
    def model(self) -> "keras.Model":
        """uint8 [num_images, 28, 28, 1] to probabilities [num_images, 10]."""
        return self._classifier

    def fit(
        self, data: Data, log_metrics: LogMetrics, monitors: Monitors = NO_MONITORS
    ) -> Training:
        """Train on `data.train`; see `mnistexp.train.training_loop`."""
        return fit(
            self._network,
            self._optimizer,
            self._config.train,
            {"train": data.train, "validation": data.validation, "test": data.test},
            scale=self._config.data.scale,
            seed=self._config.seed,
            xla=self._xla,
            log_metrics=log_metrics,
            monitors=monitors,
        )

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to float32 [num_images, 10], each row of sum 1."""
        return compile_prediction(self._classifier)(images)

    def first_layer(self) -> np.ndarray | None:
        """The weights of the first layer that has any, where it sees the image itself."""
        arrays = (array for layer in self._network.layers for array in layer.get_weights())
        kernel: np.ndarray = next((array for array in arrays if array.ndim > 1), np.empty(0))
        if kernel.ndim == 2 and len(kernel) == np.prod(IMAGE_SHAPE):
            return kernel.T.reshape(-1, *IMAGE_SHAPE[:2])
        if kernel.ndim == 4 and kernel.shape[2] == 1:
            return kernel[:, :, 0].transpose(2, 0, 1)
        return None

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
            pip_requirements=pinned("tensorflow", "keras", "numpy"),
        )

    def tags(self) -> dict[str, str]:
        """Device, precision and whether XLA compiled the training."""
        return {
            "device": self.device.name,
            "device_type": self.device.type,
            "precision": self._config.device.precision,
            "xla": "on" if self._xla else "off",
        }


def compile_prediction(classifier: "keras.Model") -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from uint8 images [n, 28, 28, 1] to probabilities, float32 [n, 10].

    The graph is traced when the function is first called.
    """
    import tensorflow as tf

    # Keras' `predict` would build an input pipeline for each array.
    compiled = tf.function(lambda batch: classifier(batch, training=False), reduce_retracing=True)

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), PREDICTION_BATCH)
        batches = [compiled(tf.constant(images[s : s + PREDICTION_BATCH])) for s in starts]
        return np.concatenate([batch.numpy() for batch in batches])

    return predict


def use_xla(model: NetworkConfig, wish: str, device: Device) -> bool:
    """Whether XLA compiles the training loop: the wish, or what is known to be faster."""
    if wish != "auto":
        return wish == "on"
    if device.type == "gpu":
        return True
    types = [layer.type for layer in model.layers.values() if layer is not None]
    # A single dense layer is so small that compiling it costs more than it saves.
    return set(types) <= FAST_IN_XLA and types.count("dense") > 1


def _summary(network: Any) -> str:
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lines.append)
    return "\n".join(lines)
