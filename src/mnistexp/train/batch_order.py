"""Which images are in which batch."""

from typing import Literal

import numpy as np

Shuffle = Literal["every_epoch", "once", "never"]


class BatchOrder:
    """An endless row of batches: the epochs one after the other, cut into full batches."""

    def __init__(self, num_images: int, batch_size: int, shuffle: Shuffle, seed: int) -> None:
        self.num_images = num_images
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._random = np.random.default_rng(seed)
        self._epoch = self._shuffled() if shuffle == "once" else np.arange(num_images, dtype="i4")
        self._waiting = np.empty(0, "i4")

    def take(self, num_batches: int) -> np.ndarray:
        """The next batches: indices of images, int32, [num_batches, batch_size]."""
        wanted = num_batches * self.batch_size
        num_epochs = -(-max(wanted - len(self._waiting), 0) // self.num_images)
        parts = [self._waiting, *(self._next_epoch() for _ in range(num_epochs))]
        indices = np.concatenate(parts)
        self._waiting = indices[wanted:]
        return indices[:wanted].reshape(num_batches, self.batch_size)

    def peek(self) -> np.ndarray:
        """The batch that is next, int32 [batch_size], without taking it."""
        batch: np.ndarray = self.take(1)[0]
        self._waiting = np.concatenate([batch, self._waiting])
        return batch

    def _next_epoch(self) -> np.ndarray:
        return self._shuffled() if self._shuffle == "every_epoch" else self._epoch

    def _shuffled(self) -> np.ndarray:
        return self._random.permutation(self.num_images).astype("i4")
