"""The optimizers by name: their settings, and the Keras optimizer of each."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mnistexp.errors import ConfigError
from mnistexp.optim.decay import DecayConfig, NoDecay, build_schedule
from mnistexp.schema import Count, Fraction, NonNegative, Positive, Section

if TYPE_CHECKING:
    import keras


class OptimizerBase(Section):
    """What every optimizer has. Fields have Keras' own names."""

    keras_class: ClassVar[str]

    learning_rate: Positive
    """Of the first step; of a warm-up or a cycle, the highest."""
    decay: DecayConfig = Field(default_factory=lambda: NoDecay(type="none"))
    weight_decay: NonNegative | None = None
    """The share of each weight that is taken off per step, times the learning rate."""
    clipnorm: Positive | None = None
    """The longest gradient that a single weight matrix may have."""
    clipvalue: Positive | None = None
    """The largest value that a gradient may have."""
    global_clipnorm: Positive | None = None
    """The longest gradient of all weights together."""
    use_ema: bool = False
    """End with the moving average of the weights instead of the last ones."""
    ema_momentum: Fraction = 0.99
    gradient_accumulation_steps: Annotated[int, Field(gt=1)] | None = None
    """Update the weights only every so many batches, by the mean gradient."""

    @model_validator(mode="after")
    def _one_clipping(self) -> Self:
        names = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(
                f"optim.{given[1]}: expected one kind of clipping. "
                f"Received: {' and '.join(given)}. Set one of them to null"
            )
        return self


class Sgd(OptimizerBase):
    """Stochastic gradient descent, with momentum if wanted."""

    keras_class = "SGD"
    type: Literal["sgd"]
    momentum: Fraction = 0.0
    nesterov: bool = False


class RmsProp(OptimizerBase):
    """Divides the gradient by a moving average of its size."""

    keras_class = "RMSprop"
    type: Literal["rmsprop"]
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: Positive = 1e-7
    centered: bool = False


class Adam(OptimizerBase):
    """Moving averages of the gradient and of its square."""

    keras_class = "Adam"
    type: Literal["adam"]
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7
    amsgrad: bool = False


class AdamW(OptimizerBase):
    """Adam with a weight decay that is apart from the gradient."""

    keras_class = "AdamW"
    type: Literal["adamw"]
    weight_decay: NonNegative | None = 0.004
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7
    amsgrad: bool = False


class Adadelta(OptimizerBase):
    """Step sizes from moving averages of gradients and of earlier steps."""

    keras_class = "Adadelta"
    type: Literal["adadelta"]
    rho: Fraction = 0.95
    epsilon: Positive = 1e-7


class Adagrad(OptimizerBase):
    """Divides the gradient by the root of the sum of all its squares."""

    keras_class = "Adagrad"
    type: Literal["adagrad"]
    initial_accumulator_value: NonNegative = 0.1
    epsilon: Positive = 1e-7


class Adamax(OptimizerBase):
    """Adam with the largest gradient in place of the mean square."""

    keras_class = "Adamax"
    type: Literal["adamax"]
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7


class Adafactor(OptimizerBase):
    """Adam's second moments, factored to save memory."""

    keras_class = "Adafactor"
    type: Literal["adafactor"]
    beta_2_decay: float = -0.8
    epsilon_1: Positive = 1e-30
    epsilon_2: Positive = 1e-3
    clip_threshold: Positive = 1.0
    relative_step: bool = True


class Nadam(OptimizerBase):
    """Adam with Nesterov's momentum."""

    keras_class = "Nadam"
    type: Literal["nadam"]
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7


class Ftrl(OptimizerBase):
    """Follow the regularised leader: sparse weights."""

    keras_class = "Ftrl"
    type: Literal["ftrl"]
    learning_rate_power: Annotated[float, Field(le=0)] = -0.5
    initial_accumulator_value: NonNegative = 0.1
    l1_regularization_strength: NonNegative = 0.0
    l2_regularization_strength: NonNegative = 0.0
    l2_shrinkage_regularization_strength: NonNegative = 0.0
    beta: NonNegative = 0.0


class Lion(OptimizerBase):
    """Steps by the sign of a momentum."""

    keras_class = "Lion"
    type: Literal["lion"]
    beta_1: Annotated[float, Field(gt=0, le=1)] = 0.9
    beta_2: Fraction = 0.99


class Lamb(OptimizerBase):
    """Adam whose steps are scaled to each layer's weights, for large batches."""

    keras_class = "Lamb"
    type: Literal["lamb"]
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7


class Muon(OptimizerBase):
    """Orthogonal updates of weight matrices; Adam for all other weights."""

    keras_class = "Muon"
    type: Literal["muon"]
    weight_decay: NonNegative | None = 0.004
    adam_beta_1: Fraction = 0.9
    adam_beta_2: Fraction = 0.999
    adam_weight_decay: NonNegative | None = 0.004
    epsilon: Positive = 1e-7
    adam_lr_ratio: Positive = 1.0
    momentum: Fraction = 0.95
    ns_steps: Count = 5
    nesterov: bool = True
    rms_rate: Positive = 0.2


class ScheduleFreeAdamW(OptimizerBase):
    """AdamW that averages its weights in place of a decay."""

    keras_class = "ScheduleFreeAdamW"
    type: Literal["schedule_free_adamw"]
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8
    warmup_steps: Annotated[int, Field(ge=0)] = 0


OptimConfig = Annotated[
    Sgd
    | RmsProp
    | Adam
    | AdamW
    | Adadelta
    | Adagrad
    | Adamax
    | Adafactor
    | Nadam
    | Ftrl
    | Lion
    | Lamb
    | Muon
    | ScheduleFreeAdamW,
    Field(discriminator="type"),
]


def build_optimizer(
    config: OptimConfig, num_steps: int, steps_per_epoch: float
) -> "keras.optimizers.Optimizer":
    """The Keras optimizer with its learning-rate schedule.

    Args:
        config: the optimizer and its decay.
        num_steps: length of the whole training, which cosine and one-cycle are stretched to.
        steps_per_epoch: for a decay per epoch.
    """
    import keras

    schedule = build_schedule(config.decay, config.learning_rate, num_steps, steps_per_epoch)
    optimizer_class: Any = getattr(keras.optimizers, config.keras_class)
    arguments = config.model_dump(exclude={"type", "learning_rate", "decay"})
    return optimizer_class(learning_rate=schedule, **arguments)
