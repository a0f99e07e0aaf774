"""What a model says to a prepared picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistexp.learner.metrics import Predictor

MIN_CONFIDENCE = 0.5
"""Below it, the answer is that this does not look like a digit: of 600 photographs of validation
digits that `conv_big` reads rightly, it is as unsure of one in 500."""


@dataclass(frozen=True)
class Answer:
    """What a model says.

    image: what it has seen, uint8 [28, 28]; None if no digit was found in the picture.
    probabilities: of the digits 0 to 9; empty if none was found.
    """

    image: np.ndarray | None
    probabilities: tuple[float, ...]

    @property
    def ranking(self) -> list[tuple[int, float]]:
        """(digit, probability), the likeliest first."""
        pairs = enumerate(self.probabilities)
        return sorted(pairs, key=lambda pair: pair[1], reverse=True)

    @property
    def verdict(self) -> str:
        """`digit`, `no digit found` or `does not look like a digit`."""
        if self.image is None:
            return "no digit found"
        sure = max(self.probabilities) >= MIN_CONFIDENCE
        return "digit" if sure else "does not look like a digit"


def classify_images(model: Predictor, images: Sequence[np.ndarray | None]) -> list[Answer]:
    """The answer to each prepared picture. Args: images: of `preprocess`."""
    found = [image for image in images if image is not None]
    asked = iter(model.predict_probabilities(np.stack(found)[..., np.newaxis]) if found else [])
    return [
        Answer(None, ()) if image is None else Answer(image, tuple(map(float, next(asked))))
        for image in images
    ]
