"""Stored models predict like the trained ones, and nothing in their files is unpickled."""

import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.errors import ModelError
from mnistexp.inference import TrainedModel, load_model
from mnistexp.runs.run_selection import select_model
from mnistexp.tracking import RunStore
from mnistexp.tracking.model_registry import fetch_model

if TYPE_CHECKING:
    import keras


def load(store: RunStore, name: str) -> TrainedModel:
    return load_model(select_model(store, name), store)


@pytest.mark.parametrize("name", ["good", "forest"])
def test_a_loaded_model_predicts_like_the_trained_one(
    name: str, store_with_models: RunStore
) -> None:
    model = load(store_with_models, name)
    test = load_data(compose_config([])[0].data).test
    probabilities = model.predict_probabilities(test.images)
    assert probabilities.shape == (10_000, 10)
    logged = mlflow.MlflowClient(store_with_models.uri).get_run(model.run_id).data.metrics
    assert (probabilities.argmax(axis=1) == test.labels).mean() == logged["test_accuracy"]


class CreatesFileWhenUnpickled:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.file,)


@pytest.fixture
def model_folder(store_with_models: RunStore, tmp_path: Path) -> Iterator[Path]:
    """The stored files of the model `good`, which a test may change; they are restored."""
    folder = fetch_model(store_with_models, select_model(store_with_models, "good"))
    shutil.copytree(folder, tmp_path / "original")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "original", folder)


def assert_rejected(store: RunStore, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load(store, "good")
    assert "\n" not in str(caught.value)


def signature(*shape: int) -> ModelSignature:
    """The signature of a model of images of this shape, with ten outputs."""
    pixels = TensorSpec(np.dtype("uint8"), (-1, *shape))
    return ModelSignature(Schema([pixels]), Schema([TensorSpec(np.dtype("float32"), (-1, 10))]))


def test_a_network_with_code_is_rejected(store_with_models: RunStore, model_folder: Path) -> None:
    import keras

    inputs = keras.Input((28, 28, 1), dtype="uint8")
    code = keras.layers.Lambda(lambda x: x[:, 0, :10, 0], output_shape=(10,))(inputs)
    keras.Model(inputs, code).save(model_folder / "data" / "model.keras")
    assert_rejected(store_with_models, "expected a model that Keras loads in its safe mode")


def test_a_network_of_another_shape_is_rejected(
    store_with_models: RunStore, model_folder: Path
) -> None:
    network_of_14_pixels().save(model_folder / "data" / "model.keras")
    message = r"expected a network of \[-1, 28, 28, 1\]. Received: \[None, 14, 14, 1\]"
    assert_rejected(store_with_models, message)


def test_a_signature_of_another_shape_is_rejected(
    store_with_models: RunStore, model_folder: Path
) -> None:
    shutil.rmtree(model_folder)
    mlflow.tensorflow.save_model(
        network_of_14_pixels(),
        model_folder,
        signature=signature(14, 14, 1),
        pip_requirements=["keras"],
    )
    assert_rejected(store_with_models, r"Received: \[-1, 14, 14, 1\] to \[-1, 10\]")


def test_a_network_without_softmax_is_rejected(
    store_with_models: RunStore, model_folder: Path
) -> None:
    import keras

    file = model_folder / "data" / "model.keras"
    classifier = keras.saving.load_model(file, compile=False)
    keras.Model(classifier.input, classifier.layers[-1].input).save(file)
    assert_rejected(store_with_models, "returns 10 probabilities of sum 1 .*Received: a row of sum")


def test_weights_that_are_not_finite_are_rejected(
    store_with_models: RunStore, model_folder: Path
) -> None:
    import keras

    file = model_folder / "data" / "model.keras"
    classifier = keras.saving.load_model(file, compile=False)
    classifier.set_weights([np.full(w.shape, np.nan) for w in classifier.get_weights()])
    classifier.save(file)
    assert_rejected(store_with_models, "Received: NaN or infinity")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MLmodel", "expected the description of a model"),
        ("data/model.keras", "expected a model that Keras loads in its safe mode"),
        ("rejection.npz", "expected the rejection rule of a model"),
    ],
)
def test_a_damaged_file_is_rejected_in_one_line(
    name: str, message: str, store_with_models: RunStore, model_folder: Path
) -> None:
    content = (model_folder / name).read_bytes()
    (model_folder / name).write_bytes(content[: len(content) // 2] + b"\x00{[")
    assert_rejected(store_with_models, message)


def test_a_model_without_a_rejection_rule_predicts_without_scores(
    store_with_models: RunStore, model_folder: Path
) -> None:
    images = np.zeros((2, 28, 28, 1), "u1")
    probabilities, scores = load(store_with_models, "good").predict_and_score(images)
    assert scores is not None
    assert scores.shape == (2,)
    (model_folder / "rejection.npz").unlink()
    same, none = load(store_with_models, "good").predict_and_score(images)
    np.testing.assert_allclose(same, probabilities, rtol=1e-5)
    assert none is None
    assert load(store_with_models, "forest").predict_and_score(images)[1] is None


def network_of_14_pixels() -> "keras.Model":
    """A network of images of 14×14 pixels."""
    import keras

    inputs = keras.Input((14, 14, 1), dtype="uint8")
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))


def test_a_pickle_is_not_loaded(
    store_with_models: RunStore, model_folder: Path, tmp_path: Path
) -> None:
    created = tmp_path / "created"
    (model_folder / "data" / "model.keras").unlink()
    (model_folder / "model.pkl").write_bytes(pickle.dumps(CreatesFileWhenUnpickled(created)))
    assert_rejected(store_with_models, "pickles, which are not loaded")
    assert not created.exists()


def test_a_pickle_beside_a_network_is_ignored(
    store_with_models: RunStore, model_folder: Path, tmp_path: Path
) -> None:
    created = tmp_path / "created"
    (model_folder / "data" / "custom_objects.cloudpickle").write_bytes(
        pickle.dumps(CreatesFileWhenUnpickled(created))
    )
    load(store_with_models, "good")
    assert not created.exists()


def test_deleted_files_are_reported(store_with_models: RunStore, model_folder: Path) -> None:
    shutil.rmtree(model_folder)
    assert_rejected(store_with_models, "expected the files of its model. Received: none at")
