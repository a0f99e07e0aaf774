"""The schedules that Keras lacks. Imports Keras, so it is imported where one is built."""

import math
from typing import Any

import keras
from keras import ops


class ExponentialToFloor(keras.optimizers.schedules.LearningRateSchedule):
    """floor + (initial - floor)·e^(-step / decay_steps)."""

    def __init__(self, initial: float, floor: float, decay_steps: float) -> None:
        self.initial = initial
        self.floor = floor
        self.decay_steps = decay_steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step, a scalar that counts from 0."""
        progress = ops.cast(step, "float32") / self.decay_steps
        return self.floor + (self.initial - self.floor) * ops.exp(-progress)

    def get_config(self) -> dict[str, float]:
        """The arguments of the constructor."""
        return {"initial": self.initial, "floor": self.floor, "decay_steps": self.decay_steps}


class OneCycleCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine from peak / start_divisor to peak, half a cosine down to almost nothing.

    The last of `num_steps` steps has the lowest learning rate.
    """

    def __init__(
        self,
        peak: float,
        num_steps: int,
        warmup_share: float,
        start_divisor: float,
        end_divisor: float,
    ) -> None:
        self.peak = peak
        self.num_steps = num_steps
        self.warmup_share = warmup_share
        self.start_divisor = start_divisor
        self.end_divisor = end_divisor

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step, a scalar that counts from 0."""
        start = self.peak / self.start_divisor
        end = start / self.end_divisor
        position = ops.cast(step, "float32") / max(self.num_steps - 1, 1)
        rising = position / self.warmup_share
        falling = (position - self.warmup_share) / (1 - self.warmup_share)
        return ops.where(
            rising < 1,
            _half_cosine(start, self.peak, rising),
            _half_cosine(self.peak, end, ops.minimum(falling, 1.0)),
        )

    def get_config(self) -> dict[str, float]:
        """The arguments of the constructor."""
        return {
            "peak": self.peak,
            "num_steps": self.num_steps,
            "warmup_share": self.warmup_share,
            "start_divisor": self.start_divisor,
            "end_divisor": self.end_divisor,
        }


def _half_cosine(start: float, end: float, position: Any) -> Any:
    """From `start` at position 0 to `end` at position 1, level at both ends."""
    return end + (start - end) * 0.5 * (1 + ops.cos(math.pi * position))
