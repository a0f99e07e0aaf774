"""Predict the digits of preprocessed images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mnistexp.learner.metrics import Predictor

MIN_CONFIDENCE = 0.5
"""A prediction below this probability counts as "not a digit". Of 600 photographs of validation
digits that `conv_big` classifies correctly, one in 500 is below it."""


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one image.

    image: the preprocessed image, uint8 [28, 28]; None if the original shows no digit.
    probabilities: of the digits 0 to 9; empty without an image.
    """

    image: np.ndarray | None
    probabilities: tuple[float, ...]

    @property
    def ranking(self) -> list[tuple[int, float]]:
        """(digit, probability), sorted by descending probability."""
        return sorted(enumerate(self.probabilities), key=lambda pair: pair[1], reverse=True)

    @property
    def status(self) -> Literal["digit", "no digit found", "does not look like a digit"]:
        """Whether the image shows a digit, and if not, why."""
        if self.image is None:
            return "no digit found"
        is_confident = max(self.probabilities) >= MIN_CONFIDENCE
        return "digit" if is_confident else "does not look like a digit"


def classify_images(model: Predictor, images: Sequence[np.ndarray | None]) -> list[Prediction]:
    """Predict the digit of each image.

    Args:
        images: what `mnistexp.inference.preprocessing.preprocess` returned, None included.
    """
    found = [image for image in images if image is not None]
    rows = iter(model.predict_probabilities(np.stack(found)[..., np.newaxis]) if found else [])
    return [
        Prediction(None, ()) if image is None else Prediction(image, tuple(map(float, next(rows))))
        for image in images
    ]
