"""A recording as columns, which is how it is drawn."""

from dataclasses import dataclass

import numpy as np

from mnistexp.dashboard.recording import Moment, Recording

LAB_SCALE = 100
"""The lab sums the loss over a batch of 100 images."""


@dataclass(frozen=True)
class TimeSeries:
    """All moments of a recording so far.

    steps, learning_rates, losses (× 100), accuracies: float, [num_moments].
    test: indices of the moments at which the test images were evaluated.
    test_losses (× 100), test_accuracies: [len(test)].
    quantiles: by name, [num_moments, 8].
    """

    steps: np.ndarray
    learning_rates: np.ndarray
    losses: np.ndarray
    accuracies: np.ndarray
    test: np.ndarray
    test_losses: np.ndarray
    test_accuracies: np.ndarray
    quantiles: dict[str, np.ndarray]

    def tests_until(self, index: int) -> int:
        """How many evaluations there were up to a moment."""
        return int(np.searchsorted(self.test, index, side="right"))


def build_time_series(recording: Recording) -> TimeSeries:
    """The columns of what was read; there is at least one moment."""
    moments: list[Moment] = recording.moments
    shown = [moment.snapshot for moment in moments]
    test = [number for number, snapshot in enumerate(shown) if snapshot.on_test is not None]
    on_test = [snapshot.on_test for snapshot in shown if snapshot.on_test is not None]
    return TimeSeries(
        steps=np.array([snapshot.step for snapshot in shown], "f8"),
        learning_rates=np.array([snapshot.learning_rate for snapshot in shown]),
        losses=LAB_SCALE * np.array([snapshot.on_batch.loss for snapshot in shown]),
        accuracies=np.array([snapshot.on_batch.accuracy for snapshot in shown]),
        test=np.array(test, int),
        test_losses=LAB_SCALE * np.array([evaluation.loss for evaluation in on_test]),
        test_accuracies=np.array([evaluation.accuracy for evaluation in on_test]),
        quantiles={
            name: np.stack([snapshot.quantiles[name] for snapshot in shown])
            for name in shown[0].quantiles
        },
    )
