"""Settings of each layer type, and the Keras layers that they build."""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from mnistexp.errors import ConfigError, did_you_mean
from mnistexp.model.initializer import (
    Initializer,
    Regularizer,
    build_initializer,
    build_regularizer,
)
from mnistexp.schema import Count, Fraction, Positive, Section, Size

if TYPE_CHECKING:
    import keras

ActivationName = Literal[
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Padding = Literal["same", "valid"]


class LayerBase(Section):
    """Settings of every layer. They have Keras' own names."""

    keras_class: ClassVar[str]
    own_settings: ClassVar[Collection[str]] = ("type", "after")
    """Settings that are not arguments of the Keras class."""

    after: str | None = None
    """Name of the layer before this one. Default: the order of the mapping."""

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the Keras class."""
        return {
            name: _keras_argument(name, getattr(self, name))
            for name in type(self).model_fields
            if name not in self.own_settings
        }


class WeightedLayer(LayerBase):
    """A layer with a kernel, a bias and an activation."""

    activation: ActivationName = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None


class Dense(WeightedLayer):
    """Fully connected layer."""

    keras_class = "Dense"
    type: Literal["dense"]
    units: Count
    """Number of outputs."""


class Conv2D(WeightedLayer):
    """Convolution over height and width."""

    keras_class = "Conv2D"
    type: Literal["conv2d"]
    filters: Count
    """Number of output channels."""
    kernel_size: Size
    """Height and width of the filters in pixels: one number for both, or two."""
    strides: Size = 1
    padding: Padding = "valid"
    dilation_rate: Size = 1
    groups: Count = 1


class PoolingLayer(LayerBase):
    """Settings that all pooling over windows shares."""

    pool_size: Size = 2
    """Height and width of the window in pixels: one number for both, or two."""
    strides: Size | None = None
    """Default: `pool_size`."""
    padding: Padding = "valid"


class MaxPooling(PoolingLayer):
    """Maximum of each window."""

    keras_class = "MaxPooling2D"
    type: Literal["max_pooling"]


class AveragePooling(PoolingLayer):
    """Mean of each window."""

    keras_class = "AveragePooling2D"
    type: Literal["average_pooling"]


class GlobalAveragePooling(LayerBase):
    """Mean of each channel over the whole image."""

    keras_class = "GlobalAveragePooling2D"
    type: Literal["global_average_pooling"]


class BatchNormalization(LayerBase):
    """Normalizes each channel: in training by the batch, otherwise by moving averages."""

    keras_class = "BatchNormalization"
    own_settings = (*LayerBase.own_settings, "momentum_warmup")
    type: Literal["batch_normalization"]
    momentum: Fraction = 0.99
    momentum_warmup: bool = False
    """Start with a low momentum, as the lab does: min(momentum, (1 + step) / (10 + step)) in the
    update of a step, which counts from 0. Without it, the initial averages still count after
    1 / (1 - momentum) steps."""
    epsilon: Positive = 1e-3
    center: bool = True
    """Learn an offset (beta)."""
    scale: bool = True
    """Learn a scale (gamma)."""
    beta_initializer: Initializer = "zeros"
    gamma_initializer: Initializer = "ones"


class Dropout(LayerBase):
    """In training, sets a random fraction of the values to 0 and scales up the others."""

    keras_class = "Dropout"
    type: Literal["dropout"]
    rate: Fraction
    """Fraction of the values that is set to 0."""


class SpatialDropout(LayerBase):
    """Dropout of whole feature maps."""

    keras_class = "SpatialDropout2D"
    type: Literal["spatial_dropout"]
    rate: Fraction
    """Fraction of the feature maps that is set to 0."""


class Flatten(LayerBase):
    """Reshapes each image to one row."""

    keras_class = "Flatten"
    type: Literal["flatten"]


class Activation(LayerBase):
    """Activation as a layer of its own, after batch normalization for example."""

    keras_class = "Activation"
    type: Literal["activation"]
    activation: ActivationName


class Residual(LayerBase):
    """A residual block: adds a shortcut to the output of its inner layers (He et al., 2015).

    Keras' names of the inner layers start with that of the block: `block_conv`.
    """

    type: Literal["residual"]
    layers: dict[LayerName, "Layer | None"] = Field(min_length=1)
    """The inner layers, in the order of computation. A layer set to null is left out."""
    shortcut: dict[LayerName, "Layer | None"] = Field(default_factory=dict)
    """Layers from the input of the block to the sum. Default: none, the input itself. Needed where
    the inner layers change the shape: a convolution with kernel_size 1 and the same strides."""


class AnyKerasLayer(LayerBase):
    """Any other layer of Keras, by the name of its class."""

    type: Literal["keras"]
    class_name: str
    """A class of keras.layers, `SeparableConv2D` for example."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Its keyword arguments."""


Layer = Annotated[
    Dense
    | Conv2D
    | MaxPooling
    | AveragePooling
    | GlobalAveragePooling
    | BatchNormalization
    | Dropout
    | SpatialDropout
    | Flatten
    | Activation
    | Residual
    | AnyKerasLayer,
    Field(discriminator="type"),
]


LAYERS_PATH = "model.layers"


def ordered_layers(
    layers: Mapping[str, Layer | None], path: str = LAYERS_PATH
) -> list[tuple[str, Layer]]:
    """Return the layers in the order of computation, without those set to null.

    A layer with `after: NAME` comes directly after NAME.

    Args:
        path: of the mapping in the config, for messages.

    Raises:
        ConfigError: `after` names a layer that does not exist.
    """
    present = {name: layer for name, layer in layers.items() if layer is not None}
    order = [name for name, layer in present.items() if layer.after is None]
    unplaced = [(name, layer.after) for name, layer in present.items() if layer.after is not None]
    while unplaced:
        placeable = [(name, after) for name, after in unplaced if after in order]
        if not placeable:
            name, after = unplaced[0]
            others = ", ".join(other for other in present if other != name)
            raise ConfigError(
                f"{path}.{name}.after: expected another layer, "
                f"{f'one of {others}' if others else 'but there is no other one here'}. "
                f"Received: {after!r}.{did_you_mean(after, order)}".removesuffix(".")
            )
        for name, after in placeable:
            order.insert(order.index(after) + 1, name)
            unplaced.remove((name, after))
    return [(name, present[name]) for name in order]


def inner_layers(name: str, block: Residual) -> Iterator[tuple[str, Mapping[str, Layer | None]]]:
    """Yield the path below the block and the mapping of its inner layers and of its shortcut."""
    yield f"{name}.layers", block.layers
    yield f"{name}.shortcut", block.shortcut


def walk_layers(
    layers: Mapping[str, Layer | None], prefix: str = ""
) -> Iterator[tuple[str, Layer]]:
    """Yield Keras' name and the settings of each layer that is not null.

    A residual block comes before the layers inside it.
    """
    for name, layer in layers.items():
        if layer is not None:
            yield f"{prefix}{name}", layer
        if isinstance(layer, Residual):
            for _, inner in inner_layers(name, layer):
                yield from walk_layers(inner, f"{prefix}{name}_")


def build_layer(name: str, config: Layer, path: str) -> "keras.layers.Layer":
    """Build the Keras layer with this name.

    Args:
        path: of the layer in the config, for messages.

    Raises:
        ConfigError: Keras has no such layer class, or rejects its settings.
    """
    layer_class, arguments = _keras_class(path, config)
    try:
        return layer_class(name=name, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {_explain_rejection(layer_class, arguments, error)}") from error


def _explain_rejection(
    layer_class: type, arguments: Mapping[str, Any], error: TypeError | ValueError
) -> str:
    """Name the arguments that are missing or unknown, otherwise repeat what Keras says."""
    known = inspect.signature(layer_class).parameters
    missing = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and name not in arguments
    ]
    unknown = [name for name in arguments if name not in known]
    hints = "".join(did_you_mean(name, known) for name in unknown)
    if missing:
        received = ", ".join(arguments) or "nothing"
        return (
            f"expected config: {{{missing[0]}: VALUE}} for {layer_class.__name__}. "
            f"Received: {received}.{hints}".removesuffix(".")
        )
    problem = f"{layer_class.__name__} rejects its settings: {one_line(error)}"
    return f"{problem}.{hints}" if hints else problem


def one_line(error: Exception) -> str:
    """Return the message of a Keras error in one line, without its list of arguments and colors."""
    text = re.sub(r"\x1b\[\d*m", "", str(error).partition("Arguments received")[0])
    return " ".join(text.split())


def _keras_class(path: str, config: Layer) -> tuple[Any, dict[str, Any]]:
    import keras

    if not isinstance(config, AnyKerasLayer):
        return getattr(keras.layers, config.keras_class), config.arguments()
    layer_class = getattr(keras.layers, config.class_name, None)
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        raise ConfigError(
            f"{path}.class_name: expected a class of keras.layers. Received: "
            f"{config.class_name!r}.{did_you_mean(config.class_name, dir(keras.layers))}"
        )
    return layer_class, config.config


def _keras_argument(name: str, value: Any) -> Any:
    if name.endswith("_initializer"):
        return build_initializer(value)
    if name.endswith("_regularizer"):
        return build_regularizer(value)
    return value
