"""A Keras network from its layers."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from mnistexp.errors import ConfigError
from mnistexp.model.initializer import Initializer, Regularizer
from mnistexp.model.layers import (
    ActivationName,
    Layer,
    build_layer,
    one_line,
    ordered_layers,
)
from mnistexp.schema import Fraction, Section

if TYPE_CHECKING:
    import keras

LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
RESERVED_NAMES = {"image", "pixels", "rescaling", "probabilities"}
NEVER_LAST = {"dropout", "spatial_dropout", "activation", "batch_normalization"}
"""Layers that would change the logits if they were the last."""
IMAGE_SHAPE = (28, 28, 1)
NUM_CLASSES = 10


class NetworkConfig(Section):
    """A network: its layers by name, and settings that several of them refer to."""

    type: Literal["network"] = "network"
    activation: ActivationName | None = None
    """Of the hidden layers, which refer to it as ${model.activation}."""
    kernel_initializer: Initializer | None = None
    """Of the weights, for layers that refer to ${model.kernel_initializer}."""
    bias_initializer: Initializer | None = None
    """Of the biases, for layers that refer to ${model.bias_initializer}."""
    kernel_regularizer: Regularizer | None = None
    """Of the weights, for layers that refer to ${model.kernel_regularizer}."""
    dropout_rate: Fraction | None = None
    """For layers that refer to ${model.dropout_rate}."""
    layers: dict[LayerName, Layer | None] = Field(min_length=1)
    """From the image to the ten logits. A layer set to null is left out."""

    @field_validator("layers")
    @classmethod
    def _order_is_known(cls, layers: dict[str, Layer | None]) -> dict[str, Layer | None]:
        order = ordered_layers(layers)
        if not order:
            raise ConfigError("model.layers: expected at least one layer that is not null")
        name, last = order[-1]
        if last.type in NEVER_LAST:
            raise ConfigError(
                f"model.layers.{name}: a {last.type} layer would stand behind the logits. Say "
                f"where it belongs with after: NAME, one of {', '.join(n for n, _ in order[:-1])}"
            )
        for name in sorted(RESERVED_NAMES & set(layers)):
            raise ConfigError(f"model.layers.{name}: this name is taken; choose another one")
        return layers


def build_model(config: NetworkConfig) -> "keras.Model":
    """The uncompiled network: float images `[n, 28, 28, 1]` to logits `[n, 10]`.

    Raises:
        ConfigError: a layer cannot take what the one before it gives, or the last one does not
            give ten values per image.
    """
    import keras

    inputs = keras.Input(IMAGE_SHAPE, name="image")
    outputs = inputs
    for name, layer_config in ordered_layers(config.layers):
        layer = build_layer(name, layer_config)
        try:
            outputs = layer(outputs)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ConfigError(
                f"model.layers.{name}: a {layer_config.type} layer cannot work behind the shape "
                f"{_shape(outputs)}: {one_line(error) or type(error).__name__}"
            ) from error
        if 0 in outputs.shape:
            raise ConfigError(
                f"model.layers.{name}: nothing is left of the image: the shape became "
                f"{_shape(outputs)}. Use a smaller kernel, pool or stride, or padding=same"
            )
    if outputs.shape[1:] != (NUM_CLASSES,):
        raise ConfigError(
            f"model.layers.{name}: the last layer must give {NUM_CLASSES} logits per image, shape "
            f"[n, {NUM_CLASSES}]. Received: {_shape(outputs)}"
        )
    network = keras.Model(inputs, outputs, name="network")
    if not network.trainable_weights:
        raise ConfigError("model.layers: expected a layer with weights to train. Received: none")
    return network


def build_classifier(network: "keras.Model", scale: float) -> "keras.Model":
    """The network as it is used: raw pixels in, probabilities out, plain Keras layers only.

    Args:
        network: what `build_model` gave. Its layers, and so its weights, are shared.
        scale: pixels are divided by it.

    Returns:
        A model of uint8 images `[n, 28, 28, 1]` to float32 probabilities `[n, 10]`.
    """
    import keras

    inputs = keras.Input(IMAGE_SHAPE, dtype="uint8", name="pixels")
    outputs = keras.layers.Rescaling(1 / scale, name="rescaling", dtype="float32")(inputs)
    for layer in network.layers[1:]:
        outputs = layer(outputs)
    outputs = keras.layers.Softmax(name="probabilities", dtype="float32")(outputs)
    return keras.Model(inputs, outputs, name="classifier")


def _shape(tensor: "keras.KerasTensor") -> str:
    return "[" + ", ".join("n" if size is None else str(size) for size in tensor.shape) + "]"
