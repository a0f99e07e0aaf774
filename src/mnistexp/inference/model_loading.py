"""Load stored models without unpickling anything.

MLflow's own loaders trust the stored model: they import the code that its description names,
unpickle files beside it, and accept the types that it lists. Here the description is only checked,
and the weights are loaded with Keras' safe mode or with skops and our own list of types.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.data import DIGITS, MNIST_STYLE, ImageStyle
from mnistexp.device import DeviceConfig
from mnistexp.errors import ModelError
from mnistexp.learner.network import (
    compile_prediction,
    compile_prediction_with_logits,
    ends_with_softmax,
)
from mnistexp.learner.rejection import load_rejection_rule
from mnistexp.model.sklearn_private import TRUSTED_TYPES
from mnistexp.tracking import RunStore, StoredModel
from mnistexp.tracking.model_registry import fetch_model

if TYPE_CHECKING:
    from mlflow.models import Model

KERAS_FILE = Path("data/model.keras")
SKOPS_FILE = Path("model.skops")
MNIST_SHAPE = (28, 28, 1)
Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
"""uint8 [num_images, height, width, channels] to probabilities [num_images, num_classes] and the
scores of the rejection rule [num_images], None without a rule."""


@dataclass(frozen=True)
class ModelClasses:
    """What a model classifies: the shape of its images, and the names of its classes.

    image_style: how gray training images show an object. It does not count in comparisons.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    image_style: ImageStyle = field(default=MNIST_STYLE, compare=False)


@dataclass(frozen=True)
class TrainedModel:
    """A model that is loaded and ready to predict.

    run_name: the name of the run that trained it. description: MLflow's, with the signature.
    classes: what it classifies. model: the Keras model, or the scikit-learn estimator.
    """

    run_name: str
    run_id: str
    description: "Model"
    classes: ModelClasses
    model: Any
    _predict: Predict

    @property
    def reads_digits(self) -> bool:
        """Whether it classifies digits in the format of MNIST."""
        return self.classes == ModelClasses(MNIST_SHAPE, DIGITS)

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 images to [num_images, num_classes], each row of sum 1."""
        return self._predict(images)[0]

    def predict_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return probabilities, and the scores of the rejection rule if the model has one.

        See `mnistexp.inference.classification.ScoringPredictor`.
        """
        return self._predict(images)

    def __str__(self) -> str:
        return f"{self.run_name}, run {self.run_id}"


def load_model(
    stored: StoredModel, store: RunStore, device: DeviceConfig | None = None
) -> TrainedModel:
    """Load the model of a run: a network with Keras' safe mode, a classical method with skops.

    Args:
        device: the device of a network. Default: a GPU if there is one.

    Raises:
        ModelError: the files of the model do not exist, have another format, hold types that are
            not trusted, or do not map raw images to a probability for each class.
        DeviceError: the device cannot be set up.
    """
    from mlflow.models import Model

    folder = fetch_model(store, stored)
    try:
        description = Model.load(str(folder))
    except Exception as error:  # A damaged description can fail anywhere in MLflow.
        raise ModelError(
            f"{stored.run_name}: expected the description of a model in {folder / 'MLmodel'}. "
            f"Received: a damaged file ({first_line(error)})"
        ) from error
    classes = _read_classes(stored, description)
    if (folder / KERAS_FILE).is_file():
        device = device or DeviceConfig(type="auto")
        model, predict = _load_keras(stored, folder, classes, device)
    elif (folder / SKOPS_FILE).is_file():
        model, predict = _load_skops(stored, folder / SKOPS_FILE)
    else:
        flavors = ", ".join(sorted(description.flavors)) or "none"
        raise ModelError(
            f"{stored.run_name}: expected a model in the format of Keras or skops. Received: "
            f"{flavors}; other formats may be pickles, which are not loaded"
        )
    _check_probabilities(stored, classes, predict)
    return TrainedModel(stored.run_name, stored.run_id, description, classes, model, predict)


def _read_classes(stored: StoredModel, description: "Model") -> ModelClasses:
    """Return what a model classifies; refuse one that does not map raw images to probabilities.

    Models without names of their classes, which other versions logged, are of MNIST's form.
    """
    metadata = description.metadata or {}
    classes = ModelClasses(
        tuple(metadata.get("image_shape", MNIST_SHAPE)),
        tuple(str(name) for name in metadata.get("class_names", DIGITS)),
        _read_image_style(stored, metadata),
    )
    signature = description.signature
    inputs, outputs = (
        [getattr(spec, "shape", None) for spec in schema] if schema is not None else []
        for schema in (signature and signature.inputs, signature and signature.outputs)
    )
    shape, number = classes.image_shape, len(classes.class_names)
    input_shapes = ((-1, *shape), (-1, math.prod(shape)))
    if len(inputs) != 1 or inputs[0] not in input_shapes or outputs != [(-1, number)]:
        raise ModelError(
            f"{stored.run_name}: expected a model of images, {list(input_shapes[0])}, to "
            f"{number} probabilities. Received: {_format_shapes(inputs)} to "
            f"{_format_shapes(outputs)}"
        )
    return classes


def _read_image_style(stored: StoredModel, metadata: Mapping[str, Any]) -> ImageStyle:
    """Return the style of the training images; that of MNIST for models of other versions."""
    if "image_style" not in metadata:
        return MNIST_STYLE
    try:
        values = dict(metadata["image_style"])
        return ImageStyle(
            int(values["background"]), int(values["foreground"]), float(values["extent"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{stored.run_name}: expected numbers background, foreground and extent of its "
            f"training images. Received: {metadata['image_style']}"
        ) from error


def _check_probabilities(stored: StoredModel, classes: ModelClasses, predict: Predict) -> None:
    """Refuse a model that does not return a probability for each class, of sum 1 per image."""
    number = len(classes.class_names)
    images = np.random.default_rng(0).integers(0, 256, (3, *classes.image_shape), "u1")
    images[0] = 0
    probabilities, scores = predict(images)
    sums = probabilities.sum(axis=1)
    if (
        probabilities.shape != (len(images), number)
        or not (probabilities >= 0).all()
        or not np.allclose(sums, 1, atol=1e-3)
    ):
        received = "NaN or infinity" if not np.isfinite(sums).all() else f"a row of sum {sums[0]:g}"
        raise ModelError(
            f"{stored.run_name}: expected a model that returns {number} probabilities of sum "
            f"1 for each image. Received: {received}. Its files were damaged or replaced: train it "
            "again"
        )
    if scores is not None and not np.isfinite(scores).all():
        raise ModelError(
            f"{stored.run_name}: expected finite scores of the rejection rule. Received: "
            "NaN or infinity. Its files were damaged or replaced: train it again"
        )


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _format_shapes(shapes: list[Any]) -> str:
    return ", ".join(str(list(shape)) if shape else "a table" for shape in shapes) or "no signature"


def _load_keras(
    stored: StoredModel, folder: Path, classes: ModelClasses, device: DeviceConfig
) -> tuple[Any, Predict]:
    from mnistexp.device import set_up_device

    set_up_device(device, seed=0)
    import keras

    try:
        classifier = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
    except Exception as error:  # A damaged file can fail anywhere in its decoders.
        raise ModelError(
            f"{stored.run_name}: expected a model that Keras loads in its safe mode. Received: "
            f"{first_line(error)}"
        ) from error
    expected = (None, *classes.image_shape)
    if tuple(classifier.input_shape) != expected:
        raise ModelError(
            f"{stored.run_name}: expected a network of {[-1, *expected[1:]]}. "
            f"Received: {list(classifier.input_shape)}"
        )
    rule = load_rejection_rule(folder)
    if rule is not None and len(rule.means) != len(classes.class_names):
        raise ModelError(
            f"{folder}: expected a rejection rule of {len(classes.class_names)} classes. "
            f"Received: one of {len(rule.means)}"
        )
    if rule is None or not ends_with_softmax(classifier):
        predict = compile_prediction(classifier)
        return classifier, lambda images: (predict(images), None)
    predict_both = compile_prediction_with_logits(classifier)

    def predict_and_score(images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        probabilities, logits = predict_both(images)
        return probabilities, rule.ood_scores(images, logits)

    return classifier, predict_and_score


def _load_skops(stored: StoredModel, file: Path) -> tuple[Any, Predict]:
    import skops.io

    try:
        estimator = skops.io.load(file, trusted=list(TRUSTED_TYPES))
    except Exception as error:  # Untrusted types, or a damaged file.
        raise ModelError(
            f"{stored.run_name}: expected a scikit-learn model of trusted types. Received: "
            f"{first_line(error)}"
        ) from error

    def predict(images: np.ndarray) -> tuple[np.ndarray, None]:
        return estimator.predict_proba(images.reshape(len(images), -1)), None

    return estimator, predict
