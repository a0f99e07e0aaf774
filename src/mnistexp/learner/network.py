"""A Keras network with its optimizer as a learner."""

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.augmentation import build_augmentation
from mnistexp.config.config import Config
from mnistexp.data import Data
from mnistexp.device import is_onednn_enabled, num_threads, set_up_device
from mnistexp.errors import OutOfMemory
from mnistexp.learner.learner import Learner, describe_images, pin_versions
from mnistexp.learner.rejection import fit_rejection_rule
from mnistexp.model import NetworkConfig, build_classifier, build_model
from mnistexp.model.layers import walk_layers
from mnistexp.optim import build_optimizer, build_schedule
from mnistexp.tracking import ModelDescription
from mnistexp.train import (
    NO_CHECKPOINTS,
    NO_MONITORS,
    Checkpoints,
    LogMetrics,
    Monitors,
    TrainingResult,
    fit,
)

if TYPE_CHECKING:
    import keras

Predictions = tuple[np.ndarray, np.ndarray]
"""Probabilities and logits, [num_images, num_classes] each."""

PREDICTION_BATCH_SIZE = 1_000
NUM_LARGEST_LAYERS = 3
"""Layers that a message about too little memory names."""
FAST_IN_XLA = {"dense", "flatten", "activation", "batch_normalization", "residual"}
"""Layers that XLA makes faster on a CPU. It makes convolutions, and the random numbers of dropout,
up to ten times slower."""
MIN_STEPS_OF_SINGLE_LAYER = 12_000
"""With a single dense layer, the compilation costs more than XLA saves in a shorter training."""


class NetworkLearner(Learner):
    """A Keras network with its optimizer, on its device."""

    def __init__(self, config: Config, data: Data) -> None:
        assert isinstance(config.model, NetworkConfig)
        self._config, self._model_config = config, config.model
        self.device = set_up_device(config.device, config.seed)
        self._image_shape = data.image_shape
        self._metadata = describe_images(data)
        self._network = build_model(config.model, data.image_shape, data.num_classes)
        num_images = len(data.train)
        self._schedule = build_schedule(
            config.optim.decay,
            config.optim.learning_rate,
            num_steps=config.train.num_steps(num_images),
            steps_per_epoch=num_images / config.train.batch_size,
        )
        self._optimizer = build_optimizer(config.optim, self._schedule)
        self._classifier = build_classifier(self._network, config.data.scale)
        self._augmentation = build_augmentation(config.augmentation, data.image_shape)
        augments = self._augmentation is not None
        self._xla = use_xla(
            config.model,
            config.device.xla,
            self.device.type,
            num_steps=config.train.num_steps(num_images),
            augments=augments,
        )
        self._cpu_layers = self.device.type == "cpu" and (self._xla or is_onednn_enabled())
        self._last_prediction: tuple[np.ndarray, Predictions] | None = None
        self.summary = summarize(self._network)

    @property
    def num_parameters(self) -> int:
        """Number of trainable values; the moving averages of batch normalization do not count."""
        return sum(int(np.prod(weight.shape)) for weight in self._network.trainable_weights)

    @property
    def model(self) -> "keras.Model":
        """uint8 images to probabilities [num_images, num_classes]."""
        return self._classifier

    def fit(
        self,
        data: Data,
        log_metrics: LogMetrics,
        monitors: Monitors = NO_MONITORS,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> TrainingResult:
        """Train on `data.train`; see `mnistexp.train.training_loop`.

        Raises:
            OutOfMemory: the device has too little memory.
            TrainingDiverged: the loss became NaN or infinite.
        """
        self._last_prediction = None
        try:
            return fit(
                self._network,
                self._optimizer,
                self._schedule,
                self._config.train,
                {"train": data.train, "validation": data.validation, "test": data.test},
                scale=self._config.data.scale,
                seed=self._config.seed,
                xla=self._xla,
                cpu_layers=self._cpu_layers,
                parts_per_batch=self._config.device.parts_per_batch,
                augment=self._augmentation,
                momentum_warmup=self._model_config.momentum_warmup,
                deterministic=self._config.device.deterministic,
                log_metrics=log_metrics,
                monitors=monitors,
                checkpoints=checkpoints,
            )
        except _out_of_memory_errors() as error:
            raise OutOfMemory(self._describe_memory()) from error

    def _describe_memory(self) -> str:
        """Return a line with the batch size and the memory of the largest layers."""
        batch_size = self._config.train.batch_size
        layers = self._network.layers[1:]  # The first one is the input.
        sizes = {layer.name: _layer_bytes(layer, batch_size) for layer in layers}
        largest = sorted(sizes, key=lambda name: -sizes[name])[:NUM_LARGEST_LAYERS]
        listed = ", ".join(f"{name} {sizes[name] / 1e6:,.1f} MB" for name in largest)
        return (
            f"train.batch_size: expected a network and a batch that fit into the memory of "
            f"{self.device.name}. Received: {batch_size:,} images; the largest layers: {listed} "
            "for outputs and weights. Set a smaller batch, or fewer units or filters"
        )

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 [num_images, num_classes] for uint8 images."""
        predictions = self._compiled_prediction(images)
        self._last_prediction = images, predictions
        return predictions[0]

    @cached_property
    def _compiled_prediction(self) -> Callable[[np.ndarray], Predictions]:
        return compile_prediction_with_logits(self._classifier)

    def save_rejection_rule(self, data: Data, folder: Path) -> None:
        """Fit the rejection rule, and write it to the folder of the model."""
        if len(data.validation):
            _, logits = self._take_prediction(data.validation.images)
            rule = fit_rejection_rule(data.train, data.validation, logits)
            if rule is not None:
                rule.save(folder)

    def _take_prediction(self, images: np.ndarray) -> Predictions:
        """Return the last predictions if they are of these images, else compute them.

        They are forgotten, because images and weights may change later.
        """
        last, self._last_prediction = self._last_prediction, None
        if last is not None and last[0] is images:
            return last[1]
        return self._compiled_prediction(images)

    def augment(self, images: np.ndarray) -> np.ndarray | None:
        """Return images as the first step of the training changes them; None if none does."""
        if self._augmentation is None:
            return None
        changed: np.ndarray = self._augmentation(images, np.array([self._config.seed, 0])).numpy()
        return changed.round().astype("u1")

    def first_layer(self) -> np.ndarray | None:
        """Return the kernel of the first layer that has one, if its input is the image itself."""
        arrays = (array for layer in self._network.layers for array in layer.get_weights())
        kernel: np.ndarray = next((array for array in arrays if array.ndim > 1), np.empty(0))
        if kernel.ndim == 2 and len(kernel) == math.prod(self._image_shape):
            return _mean_of_channels(kernel.T.reshape(-1, *self._image_shape))
        if kernel.ndim == 4 and kernel.shape[2] == self._image_shape[-1]:
            return _mean_of_channels(kernel.transpose(3, 0, 1, 2))
        return None

    def digest(self) -> str:
        """Return the SHA-256 of all weights, in the order of the layers."""
        return digest_weights(self._network)

    def save(self, folder: Path) -> ModelDescription:
        """Write a Keras file of raw pixels to probabilities, with Keras' own layers only."""
        return save_classifier(self._classifier, folder, self._metadata)

    def tags(self) -> dict[str, str]:
        """Return device, number of threads, precision and XLA as tags of the run."""
        return {
            "device": self.device.name,
            "device_type": self.device.type,
            "threads": str(num_threads(self._config.device)),
            "precision": self._config.device.precision,
            "xla": "on" if self._xla else "off",
        }


def save_classifier(
    classifier: "keras.Model", folder: Path, metadata: Mapping[str, Any]
) -> ModelDescription:
    """Write the Keras file of a classifier, and what MLflow needs to load it.

    Args:
        classifier: uint8 images to probabilities, of Keras' own layers only.
        folder: does not exist yet.
        metadata: about the training images, see `describe_images`.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    classifier.save(data / "model.keras")
    # These two files tell MLflow how to load the first one.
    (data / "keras_module.txt").write_text("tensorflow.keras")
    (data / "save_format.txt").write_text("tf")
    return ModelDescription(
        flavor="tensorflow",
        flavor_options={
            "data": data.name,
            "model_type": "keras",
            "keras_version": version("tensorflow"),  # So does MLflow.
            "save_format": "tf",
        },
        loader_options={"data": data.name},
        input_shape=classifier.input_shape[1:],
        output_size=classifier.output_shape[1],
        output_dtype="float32",
        metadata=metadata,
        requirements=pin_versions("tensorflow", "keras", "numpy"),
    )


def digest_weights(network: "keras.Model") -> str:
    """Return the SHA-256 of all weights, in the order of the layers."""
    sha = hashlib.sha256()
    for weight in network.get_weights():
        sha.update(np.ascontiguousarray(weight).tobytes())
    return sha.hexdigest()


def _out_of_memory_errors() -> tuple[type[BaseException], ...]:
    from tensorflow.errors import ResourceExhaustedError

    return (MemoryError, ResourceExhaustedError)


def _layer_bytes(layer: Any, batch_size: int) -> int:
    """Return the memory of the outputs for a batch and of the weights, as float32."""
    outputs = batch_size * int(np.prod(layer.output.shape[1:]))
    return 4 * (outputs + sum(int(np.prod(weight.shape)) for weight in layer.weights))


def _mean_of_channels(weights: np.ndarray) -> np.ndarray:
    """Args: weights: [num_units, height, width, channels]."""
    mean: np.ndarray = weights.mean(axis=-1)
    return mean


def compile_prediction(classifier: "keras.Model") -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from uint8 images to probabilities, float32 [n, num_classes].

    The graph is traced when the function is first called.
    """
    import tensorflow as tf

    # Keras' `predict` would build an input pipeline for each array.
    # Autograph, which Keras' layers do not need, leaves a file behind in a process that is killed.
    compiled = tf.function(
        lambda batch: classifier(batch, training=False), autograph=False, reduce_retracing=True
    )

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), PREDICTION_BATCH_SIZE)
        batches = [compiled(tf.constant(images[s : s + PREDICTION_BATCH_SIZE])) for s in starts]
        return np.concatenate([batch.numpy() for batch in batches])

    return predict


def compile_prediction_with_logits(
    classifier: "keras.Model",
) -> Callable[[np.ndarray], Predictions]:
    """Return a function from uint8 images to probabilities and logits, [n, num_classes] each.

    Args:
        classifier: from `build_classifier`; its last layer is the softmax.
    """
    import keras

    logits = keras.ops.cast(classifier.layers[-1].input, "float32")
    outputs = keras.ops.concatenate([classifier.output, logits], axis=1)
    predict = compile_prediction(keras.Model(classifier.input, outputs))

    def predict_both(images: np.ndarray) -> Predictions:
        values = predict(images)
        num_classes = values.shape[1] // 2
        return values[:, :num_classes], values[:, num_classes:]

    return predict_both


def ends_with_softmax(classifier: "keras.Model") -> bool:
    """Whether a stored model ends like those of `build_classifier`: logits and a softmax."""
    import keras

    last = classifier.layers[-1]
    return isinstance(last, keras.layers.Softmax) and last.input.shape == classifier.output_shape


def use_xla(
    model: NetworkConfig,
    setting: str,
    device_type: str,
    *,
    num_steps: int = 0,
    augments: bool = False,
) -> bool:
    """Return whether XLA compiles the training loop: the setting, or what is faster for `auto`.

    Args:
        device_type: `cpu` or `gpu`.
        num_steps: of the training.
        augments: whether the loop also changes the images at random.
    """
    if setting != "auto":
        return setting == "on"
    if device_type == "gpu":
        return True
    if augments:
        return False
    types = [layer.type for _, layer in walk_layers(model.layers)]
    if not set(types) <= FAST_IN_XLA:
        return False
    return types.count("dense") > 1 or num_steps >= MIN_STEPS_OF_SINGLE_LAYER


def summarize(network: Any) -> str:
    """Return Keras' table of the layers, in 80 columns."""
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lines.append)
    return "\n".join(lines)
