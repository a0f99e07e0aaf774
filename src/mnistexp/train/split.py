"""What the training needs of a split of the data."""

from typing import Protocol

import numpy as np


class Split(Protocol):
    """Images, uint8 [num_images, 28, 28, 1], and their labels, uint8 [num_images]."""

    @property
    def images(self) -> np.ndarray:
        """uint8, [num_images, 28, 28, 1]."""

    @property
    def labels(self) -> np.ndarray:
        """uint8, [num_images]."""
