"""Read the digits of preprocessed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from mnistexp.data import DIGITS
from mnistexp.inference.preprocessing import MAX_DIGITS

MIN_CONFIDENCE = 0.5
"""Without a rejection rule, a prediction below this probability counts as "not a digit"."""
MIN_LISTED = 0.001
"""Classes of a lower probability are not listed."""
MAX_LISTED = 0.999
"""A probability that would be rounded to 100 % is printed as "over 99.9 %"."""
NUM_ALTERNATIVES = 2
"""Classes that are listed after the most probable one."""

NO_DIGIT = "no digit found"
UNLIKE_DIGIT: Final = "does not look like a digit"
UNLIKE_IMAGE: Final = "does not look like the training images"
UNCERTAIN: Final = "uncertain"
Status = Literal[
    "digit",
    "several digits",
    "no digit found",
    "does not look like a digit",
    "image",
    "does not look like the training images",
    "uncertain",
]
"""Of a picture; the last three are of a model whose classes are not the digits."""


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

    image: uint8 [height, width], or [height, width, 3]. probabilities: of the classes.
    ood_score: of the rejection rule; above 1 for what does not look like the training images; None
    if the model has no rule. class_names: of the classes.
    """

    image: np.ndarray
    probabilities: tuple[float, ...]
    ood_score: float | None
    class_names: tuple[str, ...] = DIGITS

    @property
    def is_recognized(self) -> bool:
        """Whether it looks like the training images: like a digit, for MNIST."""
        if self.ood_score is None:
            return max(self.probabilities) >= MIN_CONFIDENCE
        return self.ood_score <= 1

    @property
    def unlike(self) -> Status:
        """What is said of an image that is not recognized."""
        if self.class_names == DIGITS:
            return UNLIKE_DIGIT
        return UNCERTAIN if self.ood_score is None else UNLIKE_IMAGE

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """(class, probability) of the three most probable classes, except those below 0.1 %."""
        named = zip(self.class_names, self.probabilities, strict=False)
        ranked = sorted(named, key=lambda pair: pair[1], reverse=True)
        return [pair for pair in ranked[: NUM_ALTERNATIVES + 1] if pair[1] >= MIN_LISTED]

    def __str__(self) -> str:
        """Return `7 (99.8 %), then 1 (0.1 %)`, or `does not look like a digit; closest: 7, 1`."""
        if not self.is_recognized:
            return f"{self.unlike}; closest: {', '.join(name for name, _ in self.ranking)}"
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
        first = self.predictions[0]
        if not any(prediction.is_recognized for prediction in self.predictions):
            return first.unlike
        if first.class_names != DIGITS:
            return "image"
        return "digit" if len(self.predictions) == 1 else "several digits"

    def __repr__(self) -> str:
        return f"Reading({str(self)!r})"

    def __str__(self) -> str:
        """Return `7 (99.8 %)`, `2 digits, from left to right: 4 (99.1 %), 7 (99.8 %)`, …."""
        if not self.predictions:
            return NO_DIGIT
        if len(self.predictions) == 1:
            return str(self.predictions[0])
        all_digits = all(prediction.is_recognized for prediction in self.predictions)
        noun = "digits" if all_digits else "symbols"
        parts = ", ".join(
            _format_class(*prediction.ranking[0])
            if prediction.is_recognized
            else f"? ({UNLIKE_DIGIT})"
            for prediction in self.predictions
        )
        text = f"{len(self.predictions)} {noun}, from left to right: {parts}"
        is_full = len(self.predictions) == MAX_DIGITS
        return f"{text} (at most {MAX_DIGITS} are read, the largest)" if is_full else text


def read_pictures(
    model: ScoringPredictor,
    pictures: Sequence[Sequence[np.ndarray]],
    class_names: tuple[str, ...] = DIGITS,
) -> list[Reading]:
    """Predict the digits of each picture, or the picture as a whole.

    Args:
        pictures: for each what `mnistexp.inference.picture_input.prepare_picture` returned.
        class_names: of the classes of the model.
    """
    images = [image for picture in pictures for image in picture]
    if not images:
        return [Reading(()) for _ in pictures]
    probabilities, scores = model.predict_and_score(
        np.stack([np.atleast_3d(image) for image in images])
    )
    ood_scores = [None] * len(images) if scores is None else list(map(float, scores))
    predictions = (
        Prediction(image, tuple(map(float, row)), score, class_names)
        for image, row, score in zip(images, probabilities, ood_scores, strict=True)
    )
    return [Reading(tuple(next(predictions) for _ in picture)) for picture in pictures]


def _format_class(name: str, probability: float) -> str:
    percentage = f"{100 * probability:.1f} %"
    if percentage == "100.0 %":
        percentage = f"over {100 * MAX_LISTED:.1f} %"
    return f"{name} ({percentage})"
