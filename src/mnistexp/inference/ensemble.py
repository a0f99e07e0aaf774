"""An ensemble: a model that returns the mean of the probabilities of trained models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.errors import ModelError
from mnistexp.inference.model_loading import TrainedModel
from mnistexp.tracking import ModelDescription

if TYPE_CHECKING:
    import keras

NETWORK = "network"
CLASSICAL = "classical method"


@dataclass(frozen=True)
class Ensemble:
    """The mean of trained models.

    model: a Keras model of uint8 images, or a scikit-learn classifier of one row of raw pixels per
    image. image_shape: height, width and channels of an image.
    """

    model: Any
    image_shape: tuple[int, int, int]

    @property
    def is_network(self) -> bool:
        """Whether it consists of networks; else of classical methods."""
        return not hasattr(self.model, "predict_proba")

    @property
    def summary(self) -> str:
        """Its members, as text."""
        from mnistexp.learner.network import summarize

        return summarize(self.model) if self.is_network else str(self.model)

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return [num_images, num_classes], each row of sum 1, for uint8 images."""
        if self.is_network:
            from mnistexp.learner.network import compile_prediction

            return compile_prediction(self.model)(images)
        probabilities: np.ndarray = self.model.predict_proba(images.reshape(len(images), -1))
        return probabilities

    def digest(self) -> str:
        """Return a SHA-256 that is equal for equal ensembles."""
        if self.is_network:
            from mnistexp.learner.network import digest_weights

            return digest_weights(self.model)
        from mnistexp.learner.classical import digest_predictions

        return digest_predictions(self.predict_probabilities, self.image_shape)

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> ModelDescription:
        """Write the model as that of a single run, without pickle.

        Args:
            folder: does not exist yet.
            metadata: about the training images, see `describe_images`.
        """
        if self.is_network:
            from mnistexp.learner.network import save_classifier

            return save_classifier(self.model, folder, metadata)
        from mnistexp.learner.classical import save_estimator

        return save_estimator(self.model, folder, metadata)


def build_ensemble(models: Sequence[TrainedModel]) -> Ensemble:
    """Average trained models.

    Args:
        models: at least two, of the same classes and the same size of images.

    Raises:
        ModelError: some are networks and some are classical methods, or their classes differ.
    """
    first = models[0]
    for other in models[1:]:
        if other.classes != first.classes:
            raise ModelError(
                "mnistexp ensemble: expected models of the same images and classes. Received: "
                f"{_format_classes(first)} and {_format_classes(other)}"
            )
        if _kind(other) != _kind(first):
            raise ModelError(
                "mnistexp ensemble: expected only networks or only classical methods, since one "
                f"file holds the ensemble. Received: {first.run_name}, a {_kind(first)}, and "
                f"{other.run_name}, a {_kind(other)}"
            )
    average = average_networks if _kind(first) == NETWORK else average_estimators
    return Ensemble(average([model.model for model in models]), first.classes.image_shape)


def _kind(model: TrainedModel) -> str:
    return CLASSICAL if hasattr(model.model, "predict_proba") else NETWORK


def _format_classes(model: TrainedModel) -> str:
    classes = model.classes
    shape = "×".join(map(str, classes.image_shape))
    return f"{len(classes.class_names)} classes of {shape} pixels of {model.run_name}"


def average_networks(classifiers: Sequence["keras.Model"]) -> "keras.Model":
    """Build a model that returns the mean of the outputs of classifiers, with their weights.

    Args:
        classifiers: uint8 images of one shape to probabilities, at least two.

    Returns:
        A model of Keras' own layers. Its members are models with the names member1, member2, ….
    """
    import keras

    pixels = keras.Input(classifiers[0].input_shape[1:], dtype="uint8", name="pixels")
    outputs = []
    for number, classifier in enumerate(classifiers, start=1):
        config = {**classifier.get_config(), "name": f"member{number}"}
        member = type(classifier).from_config(config)
        member.set_weights(classifier.get_weights())
        outputs.append(member(pixels))
    mean = keras.layers.Average(name="mean", dtype="float32")(outputs)
    return keras.Model(pixels, mean, name="ensemble")


def average_estimators(estimators: Sequence[Any]) -> Any:
    """Return a scikit-learn classifier whose probabilities are the mean of those of others.

    Args:
        estimators: fitted, of the classes 0, 1, …; at least two.
    """
    from sklearn.ensemble import VotingClassifier
    from sklearn.preprocessing import LabelEncoder

    members = [(f"member{number}", member) for number, member in enumerate(estimators, start=1)]
    ensemble = VotingClassifier(members, voting="soft")
    # `fit` would train the members again. These are the attributes that it sets.
    ensemble.estimators_ = list(estimators)
    ensemble.le_ = LabelEncoder().fit(np.asarray(estimators[0].classes_))
    ensemble.classes_ = ensemble.le_.classes_
    return ensemble
