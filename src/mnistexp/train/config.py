"""Settings of the training: length, batches, loss, and intervals of logging and evaluation."""

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Count, NonNegative, Section

DEFAULT_EPOCHS = 5
LossName = Literal[
    "cross_entropy",
    "naive_cross_entropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
    "poisson",
    "squared_hinge",
]
Monitor = Literal["val_loss", "val_accuracy"]


class Interval(Section):
    """A number of steps or epochs between two events."""

    count: Count
    unit: Literal["step", "epoch"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"

    def steps(self, num_steps: int, batch_size: int, num_images: int) -> list[int]:
        """Return the steps, counted from 1 and at most `num_steps`, after which the event happens.

        An epoch ends with the batch that contains its last image.
        """
        if self.unit == "step":
            return list(range(self.count, num_steps + 1, self.count))
        num_epochs = num_steps * batch_size // num_images
        epochs = range(self.count, num_epochs + 1, self.count)
        return [math.ceil(epoch * num_images / batch_size) for epoch in epochs]


def _parse_interval(value: Any) -> Any:
    """Parse `100`, `100 steps` or `2 epochs`."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value} steps"
    match = re.fullmatch(r"(\d+) *(step|epoch)s?", value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        if isinstance(value, Interval):
            return value
        raise ValueError("expected '50 steps', a number of steps > 0, '1 epoch' or '2 epochs'")
    return {"count": int(match[1]), "unit": match[2]}


IntervalSetting = Annotated[
    Interval,
    BeforeValidator(_parse_interval, json_schema_input_type=int | str),
    PlainSerializer(str),
]


class CheckpointInterval(Section):
    """Seconds, steps or epochs between two checkpoints."""

    count: Count
    unit: Literal["second", "step", "epoch"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"

    def num_passed(self, step: int, seconds: float, steps_per_epoch: float) -> int:
        """Return how many intervals have passed after so many steps, or seconds."""
        match self.unit:
            case "second":
                return int(seconds // self.count)
            case "step":
                return step // self.count
            case "epoch":
                return int(step / steps_per_epoch) // self.count


def _parse_checkpoint_interval(value: Any) -> Any:
    """Parse `60s`, `60 seconds`, `500`, `500 steps` or `2 epochs`."""
    if isinstance(value, CheckpointInterval):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value} steps"
    pattern = r"(\d+) *(s|second|step|epoch)s?"
    match = re.fullmatch(pattern, value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError("expected '60 seconds', a number of steps > 0, '2 epochs', or null")
    return {"count": int(match[1]), "unit": "second" if match[2] == "s" else match[2]}


CheckpointIntervalSetting = Annotated[
    CheckpointInterval,
    BeforeValidator(_parse_checkpoint_interval, json_schema_input_type=int | str),
    PlainSerializer(str),
]


def _reject_test_metric(monitor: Any) -> Any:
    if isinstance(monitor, str) and monitor.startswith("test"):
        raise ValueError("expected val_loss or val_accuracy: the test set must not select anything")
    return monitor


ValidationMetric = Annotated[Monitor, BeforeValidator(_reject_test_metric)]


class EarlyStopping(Section):
    """Stop when a validation metric no longer improves."""

    monitor: ValidationMetric = "val_loss"
    patience: Count = 5
    """Evaluations without an improvement."""
    min_delta: NonNegative = 0.0
    """Smallest change that counts as an improvement."""


class Target(Section):
    """End the training when a validation metric reaches a value.

    The run then has the metrics `seconds_to_target` and `steps_to_target`.
    """

    metric: ValidationMetric = "val_accuracy"
    value: NonNegative

    def is_reached(self, value: float | None) -> bool:
        """Return whether a value of the metric is at least as good as the target; None is not."""
        if value is None:
            return False
        return value <= self.value if self.metric == "val_loss" else value >= self.value

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.metric == 'val_loss' else '>='} {self.value:g}"

    @model_validator(mode="after")
    def _check_accuracy(self) -> "Target":
        if self.metric == "val_accuracy" and self.value > 1:
            raise ValueError(f"expected an accuracy from 0 to 1. Received: {self.value:g}")
        return self


@dataclass(frozen=True)
class TrainingLength:
    """Number of steps of a training, and how they are counted in epochs.

    num_epochs: None if the length is set in steps.
    """

    num_steps: int
    num_epochs: int | None
    batch_size: int
    num_images: int

    @property
    def steps_per_epoch(self) -> float:
        """Number of steps of one epoch, not always a whole number."""
        return self.num_images / self.batch_size

    def epoch(self, step: int) -> str:
        """Return `epoch 2/5` for a step that counts from 1.

        A batch with images of two epochs belongs to the first one, which it completes.
        """
        last = self.num_epochs or self._epoch_of(self.num_steps)
        return f"epoch {min(self._epoch_of(step), last)}/{last}"

    def _epoch_of(self, step: int) -> int:
        epoch_of_first_image = (step - 1) * self.batch_size // self.num_images + 1
        completed_epochs = step * self.batch_size // self.num_images
        return max(epoch_of_first_image, completed_epochs)


class TrainConfig(Section):
    """Length, batches and loss of the training; intervals of logging and evaluation."""

    epochs: Annotated[Count, Field(le=100_000)] | None = None
    """Length in passes over the training images. Default: 5, unless `steps` is set."""
    steps: Annotated[Count, Field(le=100_000_000)] | None = None
    """Length in steps (one batch each), instead of `epochs`."""
    batch_size: Annotated[Count, Field(le=100_000)] = 100
    """Images per step. All batches are full: one can contain images of two epochs."""
    shuffle: Literal["every_epoch", "once", "never"] = "every_epoch"
    """`once`: one random order for all epochs, as in the lab."""
    loss: LossName = "cross_entropy"
    """What the training minimizes. `naive_cross_entropy`: log(softmax(logits)), which is NaN as
    soon as a probability is 0. The others are losses of Keras, for the probabilities and one-hot
    labels; the hinge losses take the logits. The logged losses are cross-entropies in any case, so
    that runs can be compared."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The fraction of each label that is spread evenly over all classes, as in Szegedy et al.,
    2016, section 7. The logged losses are those of the labels themselves."""
    log_every: IntervalSetting = Interval(count=100, unit="step")
    """Interval of the training metrics, `100 steps` or `1 epoch` for example."""
    evaluate_every: IntervalSetting = Interval(count=1, unit="epoch")
    """Interval of the evaluation. The last step is always evaluated."""
    evaluate_early: bool = False
    """Evaluate at each `log_every`, too, until the first regular evaluation."""
    evaluate_at_start: bool = False
    """Evaluate before the first step, too."""
    evaluate_on: list[Literal["validation", "test"]] = ["validation"]
    """Splits to evaluate during the training. `test` is shown, and never used to select."""
    early_stopping: EarlyStopping | None = None
    target: Target | None = None
    """End the training when a validation metric reaches a value:
    `train.target={metric: val_accuracy, value: 0.99}`. It is compared at each evaluation."""
    restore_best_weights: ValidationMetric | None = None
    """End with the weights of the best value of this metric, instead of the last weights."""
    checkpoint_every: CheckpointIntervalSetting | None = CheckpointInterval(count=60, unit="second")
    """Interval of the checkpoints, from which `mnistexp resume` continues: `60 seconds`,
    `500 steps` or `2 epochs`. A shorter training writes none, unless Ctrl-C or SIGTERM ends it.
    null: never. It has no influence on the results."""

    @model_validator(mode="after")
    def _check_one_length(self) -> "TrainConfig":
        if self.epochs is not None and self.steps is not None:
            raise ConfigError(
                "train.steps: expected either train.epochs or train.steps. Received both: "
                f"epochs={self.epochs} and steps={self.steps}. Set one of them to null"
            )
        return self

    @model_validator(mode="after")
    def _check_label_smoothing(self) -> "TrainConfig":
        if self.label_smoothing and "hinge" in self.loss:
            raise ConfigError(
                "train.label_smoothing: expected 0 with a hinge loss, which has no probabilities "
                f"as targets. Received: {self.label_smoothing}"
            )
        return self

    @field_validator("evaluate_on")
    @classmethod
    def _check_each_once(cls, splits: list[str]) -> list[str]:
        if len(set(splits)) != len(splits):
            raise ConfigError(f"train.evaluate_on: expected each split once. Received: {splits}")
        return splits

    @property
    def setting_that_needs_validation(self) -> str | None:
        """The path of a setting that needs validation images; None if there is none."""
        for name in ("early_stopping", "target", "restore_best_weights"):
            if getattr(self, name) is not None:
                return f"train.{name}"
        return "train.evaluate_on" if "validation" in self.evaluate_on else None

    @property
    def evaluated_splits(self) -> list[str]:
        """`evaluate_on`, plus the validation split if the training uses its metrics."""
        uses = (self.early_stopping, self.target, self.restore_best_weights)
        is_used = any(use is not None for use in uses)
        added = ["validation"] if is_used and "validation" not in self.evaluate_on else []
        return [*self.evaluate_on, *added]

    def num_steps(self, num_images: int) -> int:
        """Return the length in steps; epochs are rounded up to full batches."""
        if self.steps is not None:
            return self.steps
        return math.ceil((self.epochs or DEFAULT_EPOCHS) * num_images / self.batch_size)

    def length(self, num_images: int) -> TrainingLength:
        """Return the length of the training on `num_images` images."""
        epochs = None if self.steps is not None else self.epochs or DEFAULT_EPOCHS
        return TrainingLength(self.num_steps(num_images), epochs, self.batch_size, num_images)

    def with_explicit_length(self) -> "TrainConfig":
        """Return the same settings, with `epochs` also if it has its default."""
        return self.model_copy(update={"epochs": self.length(num_images=1).num_epochs})

    def evaluation_steps(self, num_images: int) -> list[int]:
        """Return the steps after which to evaluate, in rising order, with 0 for the start."""
        num_steps = self.num_steps(num_images)
        regular = self.evaluate_every.steps(num_steps, self.batch_size, num_images)
        early: list[int] = []
        if self.evaluate_early:
            first_regular = regular[0] if regular else num_steps
            logged = self.log_every.steps(num_steps, self.batch_size, num_images)
            early = [step for step in logged if step < first_regular]
        start = [0] if self.evaluate_at_start else []
        return sorted({*start, *early, *regular, num_steps})

    def segments(self, num_images: int) -> list[tuple[int, int]]:
        """Split the training at each step to log or evaluate: [(start, stop), …]."""
        num_steps = self.num_steps(num_images)
        logged = self.log_every.steps(num_steps, self.batch_size, num_images)
        stops = sorted({*logged, *self.evaluation_steps(num_images)} - {0})
        return list(zip([0, *stops[:-1]], stops, strict=True))
