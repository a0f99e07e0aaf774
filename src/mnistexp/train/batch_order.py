"""The images of a training and the order of its batches."""

import json
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Shuffle = Literal["every_epoch", "once", "never"]


class Split(Protocol):
    """Images and their labels."""

    @property
    def images(self) -> np.ndarray:
        """uint8, [num_images, 28, 28, 1]."""

    @property
    def labels(self) -> np.ndarray:
        """uint8, [num_images]."""


@dataclass(frozen=True)
class BatchPosition:
    """A position in the order of the batches.

    generator: the state of NumPy's random generator, as JSON, because its numbers have 128 bits.
    pending: the indices of the images of the current epoch that no batch has contained, int32.
    """

    generator: str
    pending: np.ndarray


class BatchOrder:
    """An endless sequence of batches: epoch after epoch, cut into full batches."""

    def __init__(self, num_images: int, batch_size: int, shuffle: Shuffle, seed: int) -> None:
        self.num_images = num_images
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._random = np.random.default_rng(seed)
        self._epoch = self._shuffled() if shuffle == "once" else np.arange(num_images, dtype="i4")
        self._pending = np.empty(0, "i4")

    def take(self, num_batches: int) -> np.ndarray:
        """Return the next batches: indices of images, int32, [num_batches, batch_size]."""
        num_indices = num_batches * self.batch_size
        num_epochs = -(-max(num_indices - len(self._pending), 0) // self.num_images)
        parts = [self._pending, *(self._next_epoch() for _ in range(num_epochs))]
        indices = np.concatenate(parts)
        self._pending = indices[num_indices:]
        return indices[:num_indices].reshape(num_batches, self.batch_size)

    def peek(self) -> np.ndarray:
        """Return the next batch, int32 [batch_size], without taking it."""
        batch: np.ndarray = self.take(1)[0]
        self._pending = np.concatenate([batch, self._pending])
        return batch

    @property
    def position(self) -> BatchPosition:
        """The position before the next batch."""
        return BatchPosition(json.dumps(self._random.bit_generator.state), self._pending)

    def go_to(self, position: BatchPosition) -> None:
        """Continue at a position of an order of the same images and the same seed."""
        self._random.bit_generator.state = json.loads(position.generator)
        self._pending = position.pending

    def _next_epoch(self) -> np.ndarray:
        return self._shuffled() if self._shuffle == "every_epoch" else self._epoch

    def _shuffled(self) -> np.ndarray:
        return self._random.permutation(self.num_images).astype("i4")
