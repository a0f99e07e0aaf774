"""Read the digits of preprocessed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

MIN_CONFIDENCE = 0.5
"""Without a rejection rule, a prediction below this probability counts as "not a digit"."""
MIN_LISTED = 0.001
"""Classes of a lower probability are not listed."""
MAX_LISTED = 0.999
"""A probability that would be rounded to 100 % is printed as "over 99.9 %"."""
NUM_ALTERNATIVES = 2
"""Classes that are listed after the most probable one."""

NO_DIGIT = "no digit found"
UNLIKE = "does not look like a digit"
Status = Literal["digit", "several digits", "no digit found", "does not look like a digit"]


class ScoringPredictor(Protocol):
    """A model that also says how unlike its training images an image is."""

    def predict_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return probabilities [num_images, 10], and the scores of the rejection rule.

        A score above 1 means that the image does not look like the training images. A model
        without the rule returns None instead of the scores.

        Args:
            images: uint8 [num_images, 28, 28, 1].
        """


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one digit of a picture.

    image: uint8 [28, 28]. probabilities: of the digits 0 to 9. ood_score: of the rejection rule;
    above 1 for what does not look like a digit; None if the model has no rule.
    """

    image: np.ndarray
    probabilities: tuple[float, ...]
    ood_score: float | None

    @property
    def is_digit(self) -> bool:
        """Whether it looks like a digit."""
        if self.ood_score is None:
            return max(self.probabilities) >= MIN_CONFIDENCE
        return self.ood_score <= 1

    @property
    def ranking(self) -> list[tuple[int, float]]:
        """(digit, probability) of the three most probable digits, except those below 0.1 %."""
        ranked = sorted(enumerate(self.probabilities), key=lambda pair: pair[1], reverse=True)
        return [pair for pair in ranked[: NUM_ALTERNATIVES + 1] if pair[1] >= MIN_LISTED]

    def __str__(self) -> str:
        """Return `7 (99.8 %), then 1 (0.1 %)`, or `does not look like a digit; closest: 7, 1`."""
        if not self.is_digit:
            return f"{UNLIKE}; closest: {', '.join(str(digit) for digit, _ in self.ranking)}"
        first, *others = [_format_class(*pair) for pair in self.ranking]
        return f"{first}, then {' or '.join(others)}" if others else first


@dataclass(frozen=True)
class Reading:
    """What a model reads in a picture: a prediction for each digit, from left to right."""

    predictions: tuple[Prediction, ...]

    @property
    def status(self) -> Status:
        """Whether the picture shows one digit or several, and if not, why."""
        if not self.predictions:
            return "no digit found"
        if not any(prediction.is_digit for prediction in self.predictions):
            return "does not look like a digit"
        return "digit" if len(self.predictions) == 1 else "several digits"

    def __str__(self) -> str:
        """Return `7 (99.8 %)`, `2 digits, from left to right: 4 (99.1 %), 7 (99.8 %)`, …."""
        if not self.predictions:
            return NO_DIGIT
        if len(self.predictions) == 1:
            return str(self.predictions[0])
        all_digits = all(prediction.is_digit for prediction in self.predictions)
        noun = "digits" if all_digits else "symbols"
        parts = ", ".join(
            _format_class(*prediction.ranking[0]) if prediction.is_digit else f"? ({UNLIKE})"
            for prediction in self.predictions
        )
        return f"{len(self.predictions)} {noun}, from left to right: {parts}"


def read_pictures(
    model: ScoringPredictor, pictures: Sequence[Sequence[np.ndarray]]
) -> list[Reading]:
    """Predict the digits of each picture.

    Args:
        pictures: for each what `mnistexp.inference.preprocessing.find_digits` returned.
    """
    images = [image for picture in pictures for image in picture]
    if not images:
        return [Reading(()) for _ in pictures]
    probabilities, scores = model.predict_and_score(np.stack(images)[..., np.newaxis])
    ood_scores = [None] * len(images) if scores is None else list(map(float, scores))
    predictions = (
        Prediction(image, tuple(map(float, row)), score)
        for image, row, score in zip(images, probabilities, ood_scores, strict=True)
    )
    return [Reading(tuple(next(predictions) for _ in picture)) for picture in pictures]


def _format_class(digit: int, probability: float) -> str:
    percentage = f"{100 * probability:.1f} %"
    if percentage == "100.0 %":
        percentage = f"over {100 * MAX_LISTED:.1f} %"
    return f"{digit} ({percentage})"
