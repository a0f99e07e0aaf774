"""The state of a training at one step, and the base class of its recorders."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

QuantileSource = Literal["auto", "parameters", "activations", "maxima", "layer_maxima"]
"""The values whose quantiles are recorded (`Snapshot.quantiles`). `auto`: activations where the
network has batch normalization, else parameters."""
NUM_BANDS = 7
"""Number of quantile bands. Each contains equally many values; 7 bands have 8 edges."""
MAX_BATCH_IMAGES = 100
"""Maximum number of images of a batch in a snapshot: the first ones."""


@dataclass(frozen=True)
class Evaluation:
    """Loss, accuracy and predictions for some images.

    loss: mean cross-entropy in nats. accuracy: 0 to 1. predictions: uint8, [num_images].
    """

    loss: float
    accuracy: float
    predictions: np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """The network after `step` steps, and the next batch.

    learning_rate: of the next step.
    batch: indices of the first images of the next batch, at most 100, int32.
    on_batch: loss and accuracy of the whole next batch before its update, with dropout off and
        batch normalization by this batch; predictions for the images of `batch` only.
    quantiles: by name, the 8 edges of 7 bands of equally many values, float32. NaN where there are
        no values. Each source has two names.
        parameters: `weights` and `biases` of all layers.
        activations: `logits` (weighted sums) and `activations` of the hidden layers for this batch.
        maxima: `logits`, and `maxima` (of the activations over the batch, for each neuron and each
        position in a feature map).
        layer_maxima: `convolutional_maxima` and `dense_maxima`, by the kind of layer.
    on_test: the test images; only at the start and at evaluated steps.
    augmented: the images of `batch` as the next step sees them, uint8 pixels of all images in one
        dimension; None if the training does not change them.
    """

    step: int
    learning_rate: float
    batch: np.ndarray
    on_batch: Evaluation
    quantiles: Mapping[str, np.ndarray]
    on_test: Evaluation | None
    augmented: np.ndarray | None = None


class SnapshotRecorder(ABC):
    """Base class of receivers of a training's snapshots.

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
    """Return minimum, 1/7, …, 6/7 quantile and maximum of float32 values [n]; sort them in place.

    The quantiles are those of `numpy.quantile`: linear between neighbors. A full sort is three
    times as fast as NumPy's partial sort; sorting in XLA is slower.
    """
    if not len(values):
        return np.full(NUM_BANDS + 1, np.nan, "f4")
    values.sort()
    positions = np.linspace(0, len(values) - 1, NUM_BANDS + 1)
    below = np.floor(positions).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    fraction = positions - below
    edges: np.ndarray = (1 - fraction) * values[below] + fraction * values[above]
    return edges.astype("f4")
