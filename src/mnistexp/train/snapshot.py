"""What a training looks like at a moment, for those who watch it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

QuantileSource = Literal["auto", "parameters", "activations"]
"""The values whose quantiles are recorded. `auto`: activations where the network has batch
normalisation, else parameters."""
NUM_BANDS = 7
"""Bands of equally many values, so there are 8 boundaries."""
NUM_SHOWN = 100
"""Images of a batch that are shown at most: the first ones."""


@dataclass(frozen=True)
class Evaluation:
    """What a split was worth.

    loss: mean cross-entropy in nats. accuracy: 0 to 1. predictions: uint8, [num_images].
    """

    loss: float
    accuracy: float
    predictions: np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """The network after `step` steps, and the batch that it trains on next.

    learning_rate: of the next step.
    batch: indices of at most 100 images of the next batch, int32.
    on_batch: of the whole next batch, before its update, without dropout, and with batch
        normalisation by this batch. Its `predictions` are those of `batch`.
    quantiles: by name, the 8 boundaries of 7 bands of equally many values, float32: `weights` and
        `biases` of all layers, or `logits` (the weighted sums of all layers for this batch) and
        `activations` (of each neuron or place in a feature map, its maximum over the batch).
        NaN where there are no values.
    on_test: of the test images, at the moments of an evaluation.
    """

    step: int
    learning_rate: float
    batch: np.ndarray
    on_batch: Evaluation
    quantiles: Mapping[str, np.ndarray]
    on_test: Evaluation | None


class SnapshotRecorder(ABC):
    """Base class of what receives the snapshots of a training.

    quantile_source: the values whose quantiles each snapshot contains.
    """

    quantile_source: QuantileSource = "auto"

    @abstractmethod
    def record(self, snapshot: Snapshot) -> None:
        """Record the start of the training, or a step that is logged or evaluated."""


@dataclass(frozen=True)
class Monitors:
    """Outputs that are written during a training. They do not change the training.

    recorder: receives a snapshot at the start and at every step that is logged or evaluated. The
        snapshots of evaluated steps include the test images, whatever `train.evaluate_on` is.
    tensorboard_folder: where TensorBoard's event files are written.
    """

    recorder: SnapshotRecorder | None = None
    tensorboard_folder: Path | None = None


NO_MONITORS = Monitors()


def quantile_edges(values: np.ndarray) -> np.ndarray:
    """Minimum, 1/7, …, 6/7 and maximum of float32 values [n]; sorts them in place.

    The quantiles are those of `numpy.quantile`: linear between neighbours. Sorting whole is three
    times as fast as NumPy's partial sorting, and in XLA sorting is slower yet.
    """
    if not len(values):
        return np.full(NUM_BANDS + 1, np.nan, "f4")
    values.sort()
    places = np.linspace(0, len(values) - 1, NUM_BANDS + 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    share = places - below
    found: np.ndarray = (1 - share) * values[below] + share * values[above]
    return found.astype("f4")
