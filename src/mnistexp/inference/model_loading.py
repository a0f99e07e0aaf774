"""Loading a stored model, without ever unpickling anything.

MLflow's own loaders do what the stored description says: import the code that it names, unpickle
what lies beside the model, trust the types that it lists. Here the description is only checked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.device import DeviceConfig
from mnistexp.errors import ModelError
from mnistexp.learner.classical import TRUSTED_TYPES
from mnistexp.learner.network import compile_prediction, predict_in_batches
from mnistexp.model import IMAGE_SHAPE
from mnistexp.tracking import MlflowTracking, StoredModel, fetch_model

if TYPE_CHECKING:
    from mlflow.models import Model

KERAS_FILE = Path("data/model.keras")
SKOPS_FILE = Path("model.skops")
NUM_CLASSES = 10
INPUT_SHAPES = ((-1, *IMAGE_SHAPE), (-1, int(np.prod(IMAGE_SHAPE))))


@dataclass(frozen=True)
class TrainedModel:
    """A model that can be asked.

    name: of its run. description: what MLflow has stored of it, its signature for example.
    """

    name: str
    run_id: str
    description: "Model"
    _predict: Callable[[np.ndarray], np.ndarray]

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 [num_images, 28, 28, 1] to [num_images, 10], each row of sum 1."""
        return self._predict(images)


def load_model(
    stored: StoredModel, tracking: MlflowTracking, device: DeviceConfig | None = None
) -> TrainedModel:
    """Load a model of a run: of a network by Keras' safe mode, of a classical method by skops.

    Args:
        device: where a network computes. Default: a GPU where there is one.

    Raises:
        ModelError: its files are gone, it is of another kind, of another shape than raw 28×28
            images to ten probabilities, or holds what is not trusted.
        DeviceError: the device cannot be set up.
    """
    from mlflow.models import Model

    folder = fetch_model(tracking, stored)
    description = Model.load(str(folder))
    _check_signature(stored, description)
    if (folder / KERAS_FILE).is_file():
        predict = _load_keras(stored, folder / KERAS_FILE, device or DeviceConfig(type="auto"))
    elif (folder / SKOPS_FILE).is_file():
        predict = _load_skops(stored, folder / SKOPS_FILE)
    else:
        kinds = ", ".join(sorted(description.flavors)) or "none"
        raise ModelError(
            f"{stored.run_name}: expected a model in Keras' or skops' format. Received: {kinds}; "
            "other formats are or may be pickles, which are not loaded"
        )
    return TrainedModel(stored.run_name, stored.run_id, description, predict)


def _check_signature(stored: StoredModel, description: "Model") -> None:
    """Refuse another input than raw images, or another output than ten probabilities."""
    signature = description.signature
    inputs, outputs = (
        [getattr(spec, "shape", None) for spec in schema] if schema is not None else []
        for schema in (signature and signature.inputs, signature and signature.outputs)
    )
    if len(inputs) != 1 or inputs[0] not in INPUT_SHAPES or outputs != [(-1, NUM_CLASSES)]:
        raise ModelError(
            f"{stored.run_name}: expected a model of 28×28 images, {list(INPUT_SHAPES[0])}, to "
            f"{NUM_CLASSES} probabilities. Received: {_shapes(inputs)} to {_shapes(outputs)}"
        )


def _shapes(shapes: list[Any]) -> str:
    return ", ".join(str(list(shape)) if shape else "a table" for shape in shapes) or "no signature"


def _load_keras(
    stored: StoredModel, file: Path, device: DeviceConfig
) -> Callable[[np.ndarray], np.ndarray]:
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
    run = compile_prediction(classifier)
    return lambda images: predict_in_batches(run, images)


def _load_skops(stored: StoredModel, file: Path) -> Callable[[np.ndarray], np.ndarray]:
    import zipfile

    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        estimator = skops.io.load(file, trusted=list(TRUSTED_TYPES))
    except (UntrustedTypesFoundException, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{stored.run_name}: expected a scikit-learn model of trusted types. Received: "
            f"{str(error).splitlines()[0]}"
        ) from error

    def predict(images: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = estimator.predict_proba(images.reshape(len(images), -1))
        return probabilities

    return predict
