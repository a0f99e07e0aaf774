"""How long is trained, on what batches, and how often it is looked at."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Count, NonNegative, Section

DEFAULT_EPOCHS = 5
Monitor = Literal["val_loss", "val_accuracy"]


class Every(Section):
    """A cadence: every so many steps or epochs."""

    count: Count
    unit: Literal["step", "epoch"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"

    def steps(self, num_steps: int, batch_size: int, num_images: int) -> list[int]:
        """The steps, counted from 1, after which it is time; at most `num_steps`.

        An epoch ends with the batch that holds its last image.
        """
        if self.unit == "step":
            return list(range(self.count, num_steps + 1, self.count))
        num_epochs = num_steps * batch_size // num_images
        epochs = range(self.count, num_epochs + 1, self.count)
        return [math.ceil(epoch * num_images / batch_size) for epoch in epochs]


def _parse_every(value: Any) -> Any:
    """`100` and `100 steps` are steps, `2 epochs` are epochs."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value} steps"
    match = re.fullmatch(r"(\d+) *(step|epoch)s?", value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        if isinstance(value, Every):
            return value
        raise ValueError("expected a number of steps > 0, or '1 epoch', '2 epochs'")
    return {"count": int(match[1]), "unit": match[2]}


Cadence = Annotated[
    Every,
    BeforeValidator(_parse_every, json_schema_input_type=int | str),
    PlainSerializer(str),
]


def _refuse_test(monitor: Any) -> Any:
    if isinstance(monitor, str) and monitor.startswith("test"):
        raise ValueError(
            "expected val_loss or val_accuracy, since the test set never chooses anything"
        )
    return monitor


ValidationMetric = Annotated[Monitor, BeforeValidator(_refuse_test)]


class EarlyStopping(Section):
    """Stop when a validation metric no longer gets better."""

    monitor: ValidationMetric = "val_loss"
    patience: Count = 5
    """Evaluations without an improvement."""
    min_delta: NonNegative = 0.0
    """What counts as an improvement."""


class TrainConfig(Section):
    """Length, batches, loss and cadence of the training."""

    epochs: Annotated[Count, Field(le=100_000)] | None = None
    """Length in passes over the training images. Default, if `steps` is not set either: 5."""
    steps: Annotated[Count, Field(le=100_000_000)] | None = None
    """Length in steps (batches), instead of `epochs`."""
    batch_size: Annotated[Count, Field(le=100_000)] = 100
    """Images per step. All batches are full; they run across the end of an epoch."""
    shuffle: Literal["every_epoch", "once", "never"] = "every_epoch"
    """`once`: one random order, the same for all epochs, as in the lab."""
    loss: Literal["cross_entropy", "naive_cross_entropy"] = "cross_entropy"
    """`naive_cross_entropy` takes log(softmax), which is NaN once a probability is 0."""
    log_every: Cadence = Every(count=100, unit="step")
    """Cadence of the training metrics."""
    evaluate_every: Cadence = Every(count=1, unit="epoch")
    """Cadence of the evaluation. The end of the training is evaluated in any case."""
    evaluate_early: bool = False
    """Until the first regular evaluation, evaluate at each `log_every` too."""
    evaluate_on: list[Literal["validation", "test"]] = ["validation"]
    """The splits that are evaluated while training. `test` is for watching only."""
    early_stopping: EarlyStopping | None = None
    restore_best_weights: ValidationMetric | None = None
    """End with the weights that had the best value of this metric, instead of the last ones."""

    @model_validator(mode="after")
    def _one_length(self) -> "TrainConfig":
        if self.epochs is not None and self.steps is not None:
            raise ConfigError(
                "train.steps: expected either train.epochs or train.steps. Received both: "
                f"epochs={self.epochs} and steps={self.steps}. Set one of them to null"
            )
        return self

    @field_validator("evaluate_on")
    @classmethod
    def _each_once(cls, splits: list[str]) -> list[str]:
        if len(set(splits)) != len(splits):
            raise ConfigError(f"train.evaluate_on: expected each split once. Received: {splits}")
        return splits

    @property
    def needs_validation(self) -> str | None:
        """The setting that needs validation images, if there is one."""
        if self.early_stopping is not None:
            return "train.early_stopping"
        if self.restore_best_weights is not None:
            return "train.restore_best_weights"
        return "train.evaluate_on" if "validation" in self.evaluate_on else None

    @property
    def watched_splits(self) -> list[str]:
        """The splits that are evaluated: those asked for, and validation if it decides anything."""
        decides = self.early_stopping is not None or self.restore_best_weights is not None
        added = ["validation"] if decides and "validation" not in self.evaluate_on else []
        return [*self.evaluate_on, *added]

    def num_steps(self, num_images: int) -> int:
        """The number of steps that the training takes; epochs are rounded up to full batches."""
        if self.steps is not None:
            return self.steps
        return math.ceil((self.epochs or DEFAULT_EPOCHS) * num_images / self.batch_size)

    def evaluation_steps(self, num_images: int) -> list[int]:
        """The steps after which is evaluated, rising; the last step is always among them."""
        num_steps = self.num_steps(num_images)
        regular = self.evaluate_every.steps(num_steps, self.batch_size, num_images)
        early: list[int] = []
        if self.evaluate_early:
            first_regular = regular[0] if regular else num_steps
            logged = self.log_every.steps(num_steps, self.batch_size, num_images)
            early = [step for step in logged if step < first_regular]
        return sorted({*early, *regular, num_steps})

    def segments(self, num_images: int) -> list[tuple[int, int]]:
        """The training cut at every step that is logged or evaluated: [(start, stop), …]."""
        num_steps = self.num_steps(num_images)
        logged = self.log_every.steps(num_steps, self.batch_size, num_images)
        stops = sorted({*logged, *self.evaluation_steps(num_images)})
        return list(zip([0, *stops[:-1]], stops, strict=True))
