"""Settings of each learning-rate decay, and the schedule that they build."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Count, Fraction, NonNegative, Positive, Section

if TYPE_CHECKING:
    import keras


class NoDecay(Section):
    """A constant learning rate."""

    type: Literal["none"]


class Exponential(Section):
    """floor + (learning_rate - floor)·e^(-step / decay_steps)."""

    type: Literal["exponential"]
    floor: NonNegative = 0.0
    decay_steps: Positive
    """Steps in which the distance to the floor shrinks to 1/e."""


class ExponentialPerEpoch(Section):
    """learning_rate·rate^epoch, constant within an epoch."""

    type: Literal["exponential_per_epoch"]
    rate: Annotated[float, Field(gt=0, le=1)]


class InverseTime(Section):
    """learning_rate / (1 + rate·step)."""

    type: Literal["inverse_time"]
    rate: NonNegative


class Cosine(Section):
    """Linear warm-up, then half a cosine down to `floor` at the end of the training."""

    type: Literal["cosine"]
    warmup_fraction: Fraction = 0.0
    """Fraction of all steps that the warm-up takes."""
    floor: NonNegative = 0.0


class OneCycle(Section):
    """Half a cosine up to the learning rate, then half a cosine down to almost 0.

    The initial rate is learning_rate / initial_divisor; the final rate is the initial rate /
    final_divisor (Smith and Topin, "Super-Convergence", 2018; the cosine form is fastai's).
    """

    type: Literal["one_cycle"]
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Fraction of all steps in which the learning rate rises."""
    initial_divisor: Annotated[float, Field(ge=1)] = 25.0
    final_divisor: Annotated[float, Field(ge=1)] = 10_000.0


class Piecewise(Section):
    """Piecewise constant: learning_rate·factors[i] from step boundaries[i] on."""

    type: Literal["piecewise"]
    boundaries: list[Count] = Field(min_length=1)
    """Steps, in rising order."""
    factors: list[Positive] = Field(min_length=1)
    """One per boundary; each multiplies the initial learning rate."""

    @model_validator(mode="after")
    def _check_lists(self) -> "Piecewise":
        if len(self.factors) != len(self.boundaries):
            raise ConfigError(
                "optim.decay.factors: expected as many as there are boundaries "
                f"({len(self.boundaries)}). Received: {len(self.factors)}"
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ConfigError(
                "optim.decay.boundaries: expected rising steps. "
                f"Received: {', '.join(map(str, self.boundaries))}"
            )
        return self


DecayConfig = Annotated[
    NoDecay | Exponential | ExponentialPerEpoch | InverseTime | Cosine | OneCycle | Piecewise,
    Field(discriminator="type"),
]

LENGTH_DEPENDENT_DECAYS = ("cosine", "one_cycle")
"""The types whose learning rates depend on the number of steps of the training."""


def build_schedule(
    config: DecayConfig, learning_rate: float, num_steps: int, steps_per_epoch: float
) -> "float | keras.optimizers.schedules.LearningRateSchedule":
    """Build the learning rate as a function of the step, which counts from 0.

    Args:
        config: the decay.
        learning_rate: the initial one; with a warm-up or a cycle, the highest one.
        num_steps: length of the whole training, to which cosine and one-cycle are stretched.
        steps_per_epoch: number of training images / batch size, not always a whole number.

    Returns:
        A number without a decay, else a Keras schedule.
    """
    if isinstance(config, NoDecay):
        return learning_rate

    from keras.optimizers import schedules

    from mnistexp.optim.schedules import ExponentialToFloor, OneCycleCosine

    match config:
        case Exponential():
            return ExponentialToFloor(learning_rate, config.floor, config.decay_steps)
        case ExponentialPerEpoch():
            return schedules.ExponentialDecay(
                learning_rate, steps_per_epoch, config.rate, staircase=True
            )
        case InverseTime():
            return schedules.InverseTimeDecay(learning_rate, 1, config.rate)
        case Cosine():
            return _cosine(config, learning_rate, num_steps)
        case OneCycle():
            return OneCycleCosine(
                learning_rate,
                num_steps,
                config.warmup_fraction,
                config.initial_divisor,
                config.final_divisor,
            )
        case Piecewise():
            values = [learning_rate] + [learning_rate * factor for factor in config.factors]
            # Keras changes the value after the boundary step, mnistexp at the boundary step.
            last_steps = [boundary - 1 for boundary in config.boundaries]
            return schedules.PiecewiseConstantDecay(last_steps, values)


def _cosine(
    config: Cosine, learning_rate: float, num_steps: int
) -> "keras.optimizers.schedules.LearningRateSchedule":
    from keras.optimizers import schedules

    warmup_steps = round(config.warmup_fraction * num_steps)
    return schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        max(num_steps - warmup_steps, 1),
        alpha=config.floor / learning_rate,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
