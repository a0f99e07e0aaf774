"""Settings of each optimizer, and the Keras optimizer that they build."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from mnistexp.errors import ConfigError, did_you_mean
from mnistexp.optim.decay import DecayConfig, NoDecay
from mnistexp.schema import Fraction, NonNegative, Positive, Section

if TYPE_CHECKING:
    import keras

KerasOptimizerName = Literal[
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "SGD",
    "ScheduleFreeAdamW",
]


class OptimizerBase(Section):
    """Settings of every optimizer. They have Keras' own names and defaults."""

    keras_class: ClassVar[str]

    learning_rate: Positive
    """The initial learning rate. With a warm-up or a cycle: the highest one. Default: one that
    suits the optimizer; see `default_learning_rate`."""
    decay: DecayConfig = Field(default_factory=lambda: NoDecay(type="none"))
    weight_decay: NonNegative | None = None
    """Decoupled weight decay: the fraction, times the learning rate, subtracted per step."""
    clipnorm: Positive | None = None
    """Clip the gradient of each weight matrix to this L2 norm."""
    clipvalue: Positive | None = None
    """Clip each component of the gradients to this absolute value."""
    global_clipnorm: Positive | None = None
    """Clip the gradient of all weights together to this L2 norm."""
    use_ema: bool = False
    """End with the exponential moving average of the weights instead of the last weights. The
    evaluations use the average, too."""
    ema_momentum: Fraction = 0.99
    gradient_accumulation_steps: Annotated[int, Field(gt=1)] | None = None
    """Update the weights only after this many batches, by their mean gradient."""

    @model_validator(mode="after")
    def _check_one_clipping(self) -> Self:
        names = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(
                f"optim.{given[1]}: expected one kind of clipping. "
                f"Received: {' and '.join(given)}. Set one of them to null"
            )
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the Keras class, except the learning rate."""
        return self.model_dump(exclude={"type", "learning_rate", "decay"})


class Sgd(OptimizerBase):
    """Stochastic gradient descent, optionally with momentum."""

    keras_class = "SGD"
    type: Literal["sgd"]
    momentum: Fraction = 0.0
    nesterov: bool = False


class RmsProp(OptimizerBase):
    """Divides the gradient by the root of a moving average of its square."""

    keras_class = "RMSprop"
    type: Literal["rmsprop"]
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: Positive = 1e-7
    centered: bool = False


class AdamBase(OptimizerBase):
    """Settings that Adam and AdamW share."""

    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7
    amsgrad: bool = False


class Adam(AdamBase):
    """Adapts the step size by moving averages of the gradient and of its square."""

    keras_class = "Adam"
    type: Literal["adam"]


class AdamW(AdamBase):
    """Adam with decoupled weight decay."""

    keras_class = "AdamW"
    type: Literal["adamw"]
    weight_decay: NonNegative | None = 0.004


class AnyKerasOptimizer(OptimizerBase):
    """Any other optimizer of Keras, by the name of its class."""

    type: Literal["keras"]
    class_name: KerasOptimizerName
    """A class of keras.optimizers, `Nadam` for example."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Further keyword arguments of the class, `{beta_1: 0.8}` for example."""

    @model_validator(mode="after")
    def _check_config(self) -> Self:
        for name in self.config:
            if name in OptimizerBase.model_fields:
                raise ConfigError(
                    f"optim.config.{name}: expected the setting optim.{name} instead. "
                    f"Received: {self.config[name]!r}"
                )
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the given keyword arguments; Keras' own defaults apply to the others."""
        left_out = {"type", "class_name", "config", "learning_rate", "decay"}
        return {**self.model_dump(exclude=left_out, exclude_defaults=True), **self.config}


def find_keras_optimizer(name: str) -> str | None:
    """Return the class of Keras' optimizer of a name like `lamb` or `schedule_free_adamw`."""
    classes = {class_name.lower(): class_name for class_name in get_args(KerasOptimizerName)}
    return classes.get(name.replace("_", "").lower())


def _suggest_keras_class(value: Any) -> Any:
    """Explain how to create an optimizer of Keras that has no type of its own."""
    received = value.get("type") if isinstance(value, dict) else None
    class_name = find_keras_optimizer(str(received))
    if class_name is None or received in OPTIMIZER_TYPES:
        return value
    raise ConfigError(
        f"optim.type: expected one of {', '.join(OPTIMIZER_TYPES)}. Received: {received!r}. "
        f"Use optim.type=keras optim.class_name={class_name}"
    )


DEFAULT_LEARNING_RATES = {"Adadelta": 1.0, "Adagrad": 0.01, "Lion": 0.0003}
"""The learning rates of optimizers of Keras for which 0.001 is too low or too high."""
OPTIMIZER_TYPES = ("sgd", "rmsprop", "adam", "adamw", "keras")
OptimConfig = Annotated[
    Sgd | RmsProp | Adam | AdamW | AnyKerasOptimizer,
    Field(discriminator="type"),
    BeforeValidator(_suggest_keras_class),
]


def default_learning_rate(settings: Mapping[str, Any], num_weighted_layers: int) -> float:
    """Return the learning rate of an optimizer for which none is set.

    It is Keras' default, 0.001, except for stochastic gradient descent: 0.5 for a network of one
    layer, which is convex, and 0.05 for others, times (1 - momentum).

    Args:
        settings: the section `optim`, not validated yet.
        num_weighted_layers: number of dense, convolutional and other Keras layers of the network.
    """
    name = settings.get("class_name") if settings.get("type") == "keras" else settings.get("type")
    if str(name).lower() != "sgd":
        return DEFAULT_LEARNING_RATES.get(str(name), 0.001)
    momentum = settings.get("momentum", 0.0)
    remaining = 1 - momentum if isinstance(momentum, float) and 0 < momentum < 1 else 1.0
    return round((0.5 if num_weighted_layers == 1 else 0.05) * remaining, 6)


def build_optimizer(
    config: OptimConfig, schedule: "float | keras.optimizers.schedules.LearningRateSchedule"
) -> "keras.optimizers.Optimizer":
    """Build the Keras optimizer.

    Args:
        config: the optimizer; its learning rate and decay are in `schedule`.
        schedule: the learning rate, as `build_schedule` returns it.

    Raises:
        ConfigError: Keras rejects the arguments in `optim.config`.
    """
    import keras

    name = config.class_name if isinstance(config, AnyKerasOptimizer) else config.keras_class
    optimizer_class: Any = getattr(keras.optimizers, name)
    if isinstance(config, AnyKerasOptimizer):
        _check_arguments(config, optimizer_class)
    try:
        return optimizer_class(learning_rate=schedule, **config.arguments())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"optim: {name} rejects its settings: {str(error).splitlines()[0]}"
        ) from error


def _check_arguments(config: AnyKerasOptimizer, optimizer_class: Any) -> None:
    parameters = inspect.signature(optimizer_class).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    for name, value in config.config.items():
        if name not in defaults:
            raise ConfigError(
                f"optim.config.{name}: expected an argument of {config.class_name}. "
                f"Received: {name!r}.{did_you_mean(name, defaults)}"
            )
        # Keras itself would fail only during the training.
        if isinstance(defaults[name], int | float) and not isinstance(value, int | float):
            raise ConfigError(f"optim.config.{name}: expected a number. Received: {value!r}")
