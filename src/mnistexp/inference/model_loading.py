"""Load stored models without unpickling anything.

MLflow's own loaders trust the stored model: they import the code that its description names,
unpickle files beside it, and accept the types that it lists. Here the description is only checked,
and the weights are loaded with Keras' safe mode or with skops and our own list of types.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.device import DeviceConfig
from mnistexp.errors import ModelError
from mnistexp.learner.network import compile_prediction
from mnistexp.model.sklearn_private import TRUSTED_TYPES
from mnistexp.schema import IMAGE_SHAPE, NUM_CLASSES, NUM_PIXELS
from mnistexp.tracking import RunStore, StoredModel
from mnistexp.tracking.model_registry import fetch_model

if TYPE_CHECKING:
    from mlflow.models import Model

KERAS_FILE = Path("data/model.keras")
SKOPS_FILE = Path("model.skops")
INPUT_SHAPES = ((-1, *IMAGE_SHAPE), (-1, NUM_PIXELS))
Predict = Callable[[np.ndarray], np.ndarray]
"""uint8 [num_images, 28, 28, 1] to probabilities [num_images, 10]."""


@dataclass(frozen=True)
class TrainedModel:
    """A model that is loaded and ready to predict.

    run_name: the name of the run that trained it. description: MLflow's, with the signature.
    """

    run_name: str
    run_id: str
    description: "Model"
    _predict: Predict

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to [num_images, 10], each row of sum 1."""
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
            not trusted, or do not map raw 28×28 images to ten probabilities.
        DeviceError: the device cannot be set up.
    """
    from mlflow.models import Model

    folder = fetch_model(store, stored)
    description = Model.load(str(folder))
    _check_signature(stored, description)
    if (folder / KERAS_FILE).is_file():
        predict = _load_keras(stored, folder / KERAS_FILE, device or DeviceConfig(type="auto"))
    elif (folder / SKOPS_FILE).is_file():
        predict = _load_skops(stored, folder / SKOPS_FILE)
    else:
        flavors = ", ".join(sorted(description.flavors)) or "none"
        raise ModelError(
            f"{stored.run_name}: expected a model in the format of Keras or skops. Received: "
            f"{flavors}; other formats may be pickles, which are not loaded"
        )
    return TrainedModel(stored.run_name, stored.run_id, description, predict)


def _check_signature(stored: StoredModel, description: "Model") -> None:
    """Refuse a model that does not map raw images to ten probabilities."""
    signature = description.signature
    inputs, outputs = (
        [getattr(spec, "shape", None) for spec in schema] if schema is not None else []
        for schema in (signature and signature.inputs, signature and signature.outputs)
    )
    if len(inputs) != 1 or inputs[0] not in INPUT_SHAPES or outputs != [(-1, NUM_CLASSES)]:
        raise ModelError(
            f"{stored.run_name}: expected a model of 28×28 images, {list(INPUT_SHAPES[0])}, to "
            f"{NUM_CLASSES} probabilities. Received: {_format_shapes(inputs)} to "
            f"{_format_shapes(outputs)}"
        )


def _format_shapes(shapes: list[Any]) -> str:
    return ", ".join(str(list(shape)) if shape else "a table" for shape in shapes) or "no signature"


def _load_keras(stored: StoredModel, file: Path, device: DeviceConfig) -> Predict:
    from mnistexp.device import set_up_device

    set_up_device(device, seed=0)
    import keras

    try:
        classifier = keras.saving.load_model(file, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(
            f"{stored.run_name}: expected a model that Keras loads in its safe mode. Received: "
            f"{str(error).splitlines()[0]}"
        ) from error
    if tuple(classifier.input_shape) != (None, *IMAGE_SHAPE):
        raise ModelError(
            f"{stored.run_name}: expected a network of {list(INPUT_SHAPES[0])}. "
            f"Received: {list(classifier.input_shape)}"
        )
    return compile_prediction(classifier)


def _load_skops(stored: StoredModel, file: Path) -> Predict:
    import zipfile

    import skops.io

    try:
        estimator = skops.io.load(file, trusted=list(TRUSTED_TYPES))
    except (TypeError, KeyError, zipfile.BadZipFile) as error:  # Untrusted types: TypeError.
        raise ModelError(
            f"{stored.run_name}: expected a scikit-learn model of trusted types. Received: "
            f"{str(error).splitlines()[0]}"
        ) from error

    def predict(images: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = estimator.predict_proba(images.reshape(len(images), -1))
        return probabilities

    return predict
