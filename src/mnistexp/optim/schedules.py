"""Learning-rate schedules that Keras does not have.

Imports Keras, so import this module only where a schedule is built.
"""

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
        """Return the learning rate of a step, a scalar that counts from 0."""
        progress = ops.cast(step, "float32") / self.decay_steps
        return self.floor + (self.initial - self.floor) * ops.exp(-progress)

    def get_config(self) -> dict[str, float]:
        """Return the arguments of the constructor."""
        return {"initial": self.initial, "floor": self.floor, "decay_steps": self.decay_steps}


class OneCycleCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine from peak / initial_divisor to peak, then half a cosine down to almost 0.

    The last of the `num_steps` steps has the lowest learning rate.
    """

    def __init__(
        self,
        peak: float,
        num_steps: int,
        warmup_fraction: float,
        initial_divisor: float,
        final_divisor: float,
    ) -> None:
        self.peak = peak
        self.num_steps = num_steps
        self.warmup_fraction = warmup_fraction
        self.initial_divisor = initial_divisor
        self.final_divisor = final_divisor

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, a scalar that counts from 0."""
        start = self.peak / self.initial_divisor
        end = start / self.final_divisor
        position = ops.cast(step, "float32") / max(self.num_steps - 1, 1)
        rising = position / self.warmup_fraction
        falling = (position - self.warmup_fraction) / (1 - self.warmup_fraction)
        return ops.where(
            rising < 1,
            _half_cosine(start, self.peak, rising),
            _half_cosine(self.peak, end, ops.minimum(falling, 1.0)),
        )

    def get_config(self) -> dict[str, float]:
        """Return the arguments of the constructor."""
        return {
            "peak": self.peak,
            "num_steps": self.num_steps,
            "warmup_fraction": self.warmup_fraction,
            "initial_divisor": self.initial_divisor,
            "final_divisor": self.final_divisor,
        }


def _half_cosine(start: float, end: float, position: Any) -> Any:
    """Interpolate from `start` at position 0 to `end` at position 1, flat at both ends."""
    return end + (start - end) * 0.5 * (1 + ops.cos(math.pi * position))
