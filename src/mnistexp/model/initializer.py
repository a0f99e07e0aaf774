"""Settings of initializers and regularizers, and the Keras objects that they build."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Tag

from mnistexp.schema import NonNegative, Positive, Section

if TYPE_CHECKING:
    import keras

InitializerName = Literal[
    "zeros",
    "ones",
    "identity",
    "orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
]


class Normal(Section):
    """A normal distribution; the truncated one redraws values beyond two standard deviations."""

    type: Literal["truncated_normal", "random_normal"]
    mean: float = 0.0
    stddev: Positive = 0.05


class Uniform(Section):
    """A uniform distribution from `minval` to `maxval`."""

    type: Literal["random_uniform"]
    minval: float = -0.05
    maxval: float = 0.05


class VarianceScaling(Section):
    """A distribution whose variance is `scale` divided by the number of inputs, outputs or both."""

    type: Literal["variance_scaling"]
    scale: Positive = 1.0
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    distribution: Literal["normal", "truncated_normal", "untruncated_normal", "uniform"] = (
        "truncated_normal"
    )


def _tag(value: Any) -> str:
    """Return the tag of the union member for a value: `number`, `name`, or by its type."""
    if isinstance(value, dict | Section):
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return {"truncated_normal": "normal", "random_normal": "normal"}.get(str(kind), str(kind))
    return "name" if isinstance(value, str) else "number"


Initializer = Annotated[
    Annotated[float, Tag("number")]
    | Annotated[InitializerName, Tag("name")]
    | Annotated[Normal, Tag("normal")]
    | Annotated[Uniform, Tag("random_uniform")]
    | Annotated[VarianceScaling, Tag("variance_scaling")],
    Discriminator(
        _tag,
        custom_error_type="initializer",
        custom_error_message=(
            "expected a number (a constant), a name such as glorot_uniform, or a mapping with "
            "type: truncated_normal, random_normal, random_uniform or variance_scaling"
        ),
    ),
]
"""A number (a constant), a name, or a mapping with a `type` and its settings."""


class Regularizer(Section):
    """Adds `l1·Σ|w| + l2·Σw²` to the loss."""

    l1: NonNegative = 0.0
    l2: NonNegative = 0.0


def build_initializer(config: Initializer) -> "keras.Initializer":
    """Build the Keras initializer, which uses Keras' global seed."""
    import keras

    if isinstance(config, float | int):
        return keras.initializers.Constant(config)
    if isinstance(config, str):
        return keras.initializers.get(config)
    arguments = config.model_dump(exclude={"type"})
    return keras.initializers.get({"class_name": config.type, "config": arguments})


def build_regularizer(config: Regularizer | None) -> "keras.Regularizer | None":
    """Build the Keras regularizer; None for None."""
    import keras

    return None if config is None else keras.regularizers.L1L2(**config.model_dump())
