"""Averages of models, compared with the mean of their outputs in NumPy."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mnistexp.errors import ModelError
from mnistexp.inference.ensemble import average_estimators, average_networks, build_ensemble
from mnistexp.inference.model_loading import ModelClasses, TrainedModel

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 3, 1), "u1")


def build_classifier(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((4, 3, 1), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(pixels)
    logits = keras.layers.Dense(5)(keras.layers.Flatten()(scaled))
    return keras.Model(pixels, keras.layers.Softmax()(logits), name="classifier")


def trained(model: object, num_classes: int) -> TrainedModel:
    classes = ModelClasses((4, 3, 1), tuple(map(str, range(num_classes))))
    return TrainedModel("any", "id", None, classes, model, lambda _: (np.empty(0), None))


def test_networks_and_averages_of_networks_are_averaged() -> None:
    models = [build_classifier(seed) for seed in range(3)]
    outputs = [model(IMAGES).numpy() for model in models]
    pair = average_networks(models[:2])
    np.testing.assert_allclose(pair(IMAGES).numpy(), np.mean(outputs[:2], axis=0), atol=1e-6)
    nested = average_networks([pair, models[2]])(IMAGES).numpy()
    expected = (np.mean(outputs[:2], axis=0) + outputs[2]) / 2
    np.testing.assert_allclose(nested, expected, atol=1e-6)


def test_classical_methods_are_averaged() -> None:
    rows, labels = IMAGES.reshape(20, -1), np.arange(20) % 5
    members = [LogisticRegression(C=c, max_iter=10_000).fit(rows, labels) for c in (1e-4, 1e-6)]
    expected = np.mean([member.predict_proba(rows) for member in members], axis=0)
    np.testing.assert_allclose(average_estimators(members).predict_proba(rows), expected)


def test_models_of_other_classes_are_rejected() -> None:
    models = [trained(build_classifier(0), num_classes) for num_classes in (5, 6)]
    with pytest.raises(ModelError, match="Received: 5 classes of 4×3×1 pixels of any and 6 class"):
        build_ensemble(models)
