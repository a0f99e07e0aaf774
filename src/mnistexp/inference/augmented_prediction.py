"""Test-time augmentation: the mean of the predictions for an image and for changed copies of it.

Imports TensorFlow in the functions that change images.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.learner.metrics import Predictor

if TYPE_CHECKING:
    from mnistexp.augmentation.transforms import Augmentation

BATCH_SIZE = 1_000
"""Images that are changed at a time."""


@dataclass(frozen=True)
class AugmentedPredictor(Predictor):
    """Averages the probabilities of a model over an image and changed copies of it.

    model: what predicts. augmentation: changes the images. copies: number of changed copies of each
    image. seed: of the changes; equal seeds give equal probabilities.
    """

    model: Predictor
    augmentation: "Augmentation"
    copies: int
    seed: int

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return [num_images, num_classes], each row of sum 1, for uint8 images.

        The image itself counts as much as each of its copies.
        """
        total = self.model.predict_probabilities(images).astype("f8")
        for copy in range(self.copies):
            total += self.model.predict_probabilities(self.change(images, copy))
        mean: np.ndarray = total / (self.copies + 1)
        return mean

    def change(self, images: np.ndarray, copy: int) -> np.ndarray:
        """Return a changed copy of each image, uint8.

        The random numbers of a batch follow from the seed, the copy and the place of the batch.

        Args:
            images: uint8 [num_images, height, width, channels].
            copy: its number, from 0.
        """
        starts = range(0, len(images), BATCH_SIZE)
        batches = [
            self.augmentation(
                images[start : start + BATCH_SIZE],
                np.array([self.seed, copy * len(starts) + number]),
            )
            for number, start in enumerate(starts)
        ]
        changed: np.ndarray = np.concatenate([batch.numpy() for batch in batches])
        return changed.round().astype("u1")
