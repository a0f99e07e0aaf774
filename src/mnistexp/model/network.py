"""Settings of a network, and the Keras models that they build."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from mnistexp.errors import ConfigError
from mnistexp.layer_graph import run_layers
from mnistexp.model.initializer import Initializer, Regularizer
from mnistexp.model.layers import (
    LAYERS_PATH,
    Activation,
    ActivationName,
    AnyKerasLayer,
    BatchNormalization,
    Conv2D,
    Dense,
    Layer,
    LayerName,
    Residual,
    build_layer,
    inner_layers,
    one_line,
    ordered_layers,
    walk_layers,
)
from mnistexp.schema import Fraction, Section

if TYPE_CHECKING:
    import keras

MNIST_SHAPE = (28, 28, 1)
MNIST_CLASSES = 10
RESERVED_NAMES = {"image", "pixels", "rescaling", "probabilities"}
NOT_ALLOWED_LAST = {"dropout", "spatial_dropout", "activation", "batch_normalization", "residual"}
"""Layer types that cannot be the last one, since they would change the logits."""
ACTIVATION_CLASSES = {"Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"}
"""Keras' layers that apply an activation."""
BYTES_PER_WEIGHT = 4 * 4
"""float32 values of the weight, its gradient, and two moving averages of the optimizer."""


class NetworkConfig(Section):
    """The layers of a network by name, and settings that several layers can refer to."""

    type: Literal["network"] = "network"
    activation: ActivationName | None = None
    """Activation, for layers that refer to ${model.activation}."""
    kernel_initializer: Initializer | None = None
    """Initializer of the weights, for layers that refer to ${model.kernel_initializer}."""
    bias_initializer: Initializer | None = None
    """Initializer of the biases, for layers that refer to ${model.bias_initializer}."""
    kernel_regularizer: Regularizer | None = None
    """Regularizer of the weights, for layers that refer to ${model.kernel_regularizer}."""
    dropout_rate: Fraction | None = None
    """Dropout rate, for layers that refer to ${model.dropout_rate}."""
    layers: dict[LayerName, Layer | None] = Field(min_length=1)
    """The layers, from the image to a logit for each class. A layer set to null is left out."""

    @field_validator("layers")
    @classmethod
    def _check_order(cls, layers: dict[str, Layer | None]) -> dict[str, Layer | None]:
        order = ordered_layers(layers)
        if not order:
            raise ConfigError("model.layers: expected at least one layer that is not null")
        name, last = order[-1]
        _check_activation(f"model.layers.{name}", last)
        if last.type in NOT_ALLOWED_LAST:
            raise ConfigError(
                f"model.layers.{name}: expected the logits to come last. Received: a {last.type} "
                f"layer after them. {_suggest_place(name, order)}"
            )
        for name in sorted(RESERVED_NAMES & set(layers)):
            raise ConfigError(
                f"model.layers.{name}: expected another name: mnistexp uses this one itself"
            )
        _check_blocks(layers)
        return layers

    @property
    def momentum_warmup(self) -> frozenset[str]:
        """Names of the batch-normalization layers whose momentum warms up."""
        return frozenset(
            name
            for name, layer in walk_layers(self.layers)
            if isinstance(layer, BatchNormalization) and layer.momentum_warmup
        )


def build_model(
    config: NetworkConfig,
    image_shape: tuple[int, int, int] = MNIST_SHAPE,
    num_classes: int = MNIST_CLASSES,
) -> "keras.Model":
    """Build the uncompiled network: float images `[n, *image_shape]` to logits `[n, num_classes]`.

    Args:
        image_shape: height, width and channels of an image. Default: those of MNIST.

    Raises:
        ConfigError: a layer does not accept the output of the layer before it, the last layer
            does not return a value for each class, or the memory is too small.
    """
    import keras

    inputs = keras.Input(image_shape, name="image")
    outputs = _LayerStack().apply(config.layers, inputs)
    if outputs.shape[1:] != (num_classes,):
        is_image = len(outputs.shape) > 2
        advice = ". Write a layer of type flatten before the first dense layer" if is_image else ""
        name, _ = ordered_layers(config.layers)[-1]
        raise ConfigError(
            f"model.layers.{name}: expected {num_classes} logits per image from the last layer, "
            f"shape [n, {num_classes}]. Received: {_format_shape(outputs)}{advice}"
        )
    network = keras.Model(inputs, outputs, name="network")
    if not network.trainable_weights:
        raise ConfigError("model.layers: expected a layer with weights to train. Received: none")
    return network


def build_classifier(network: "keras.Model", scale: float) -> "keras.Model":
    """Build the model for inference: raw pixels in, probabilities out, Keras' own layers only.

    Args:
        network: from `build_model`. Both models share its layers, and so its weights.
        scale: divisor of the pixels.

    Returns:
        A model of uint8 images to float32 probabilities `[n, num_classes]`.
    """
    import keras

    inputs = keras.Input(network.input_shape[1:], dtype="uint8", name="pixels")
    outputs = keras.layers.Rescaling(1 / scale, name="rescaling", dtype="float32")(inputs)
    outputs = run_layers(network, outputs, lambda layer, values: layer(values))
    outputs = keras.layers.Softmax(name="probabilities", dtype="float32")(outputs)
    return keras.Model(inputs, outputs, name="classifier")


class _LayerStack:
    """Applies layers to symbolic tensors, and counts their weights."""

    def __init__(self) -> None:
        self._num_weights = 0

    def apply(
        self,
        layers: Mapping[str, Layer | None],
        tensor: "keras.KerasTensor",
        path: str = LAYERS_PATH,
        prefix: str = "",
    ) -> "keras.KerasTensor":
        """Apply the layers of a mapping one after the other.

        Args:
            path: of the mapping in the config.
            prefix: of Keras' names of the layers.
        """
        for name, layer in ordered_layers(layers, path):
            place, keras_name = f"{path}.{name}", f"{prefix}{name}"
            if isinstance(layer, Residual):
                tensor = self._apply_block(keras_name, layer, tensor, place)
            else:
                tensor = self._apply_layer(keras_name, layer, tensor, place)
        return tensor

    def _apply_block(
        self, name: str, block: Residual, tensor: "keras.KerasTensor", path: str
    ) -> "keras.KerasTensor":
        import keras

        outputs = self.apply(block.layers, tensor, f"{path}.layers", f"{name}_")
        shortcut = self.apply(block.shortcut, tensor, f"{path}.shortcut", f"{name}_")
        if outputs.shape != shortcut.shape:
            raise ConfigError(
                f"{path}.shortcut: expected the shape of the output of the inner layers, "
                f"{_format_shape(outputs)}. Received: {_format_shape(shortcut)}. "
                f"{_suggest_shortcut(tensor.shape, outputs.shape)}"
            )
        return keras.layers.Add(name=name)([outputs, shortcut])

    def _apply_layer(
        self, name: str, config: Layer, tensor: "keras.KerasTensor", path: str
    ) -> "keras.KerasTensor":
        self._num_weights += _count_weights(config, tensor.shape)
        _check_memory(path, self._num_weights)
        layer = build_layer(name, config, path)
        try:
            outputs = layer(tensor)
        except (TypeError, ValueError, NotImplementedError) as error:
            _check_window(path, layer, tensor)
            raise ConfigError(
                f"{path}: a {config.type} layer does not accept the input shape "
                f"{_format_shape(tensor)}: {one_line(error) or type(error).__name__}"
            ) from error
        if 0 in outputs.shape:
            raise ConfigError(
                f"{path}: expected an output that is not empty. Received: shape "
                f"{_format_shape(outputs)}. Use a smaller kernel, pool or stride, or padding=same"
            )
        return outputs


def _suggest_shortcut(inputs: tuple[int | None, ...], outputs: tuple[int | None, ...]) -> str:
    """Return the layer that brings the input of a block to the shape of its output."""
    if len(inputs) == len(outputs) == 2:
        return f"Write shortcut: {{project: {{type: dense, units: {outputs[1]}}}}}"
    if len(inputs) == len(outputs) == 4:
        sizes = zip(inputs[1:3], outputs[1:3], strict=True)
        strides = [round(before / after) for before, after in sizes if before and after]
        reached = [-(-(size or 0) // n) for size, n in zip(inputs[1:3], strides, strict=True)]
        if reached == list(outputs[1:3]):
            height, width = strides
            text = height if height == width else strides
            return (
                f"Write shortcut: {{project: {{type: conv2d, filters: {outputs[3]}, "
                f"kernel_size: 1, strides: {text}}}}}"
            )
    return "Use padding=same in the inner layers, or layers in shortcut that end with this shape"


def _count_weights(layer: Layer, input_shape: tuple[int | None, ...]) -> int:
    """Return the number of weights of a dense or convolutional layer; 0 for other layers."""
    channels = input_shape[-1] or 0
    if isinstance(layer, Dense):
        return channels * layer.units
    if isinstance(layer, Conv2D):
        size = layer.kernel_size
        height, width = (size, size) if isinstance(size, int) else size
        return height * width * (channels // layer.groups) * layer.filters
    return 0


def _check_memory(path: str, num_weights: int) -> None:
    """Refuse a layer with which training would need more memory than the computer has."""
    needed = num_weights * BYTES_PER_WEIGHT
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ConfigError(
            f"{path}: expected a network that fits into the memory, "
            f"{memory / 1e9:.0f} GB. Received: {num_weights:,} weights up to this layer, which "
            f"take {needed / 1e9:,.0f} GB with gradients and optimizer. Use fewer units or filters"
        )


def _check_blocks(layers: Mapping[str, Layer | None]) -> None:
    """Refuse residual blocks without layers, and two layers with one name in Keras."""
    names = [name for name, _ in walk_layers(layers)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"{LAYERS_PATH}: expected different names of layers, with those of residual blocks "
                f"before the names inside them. Received: {name} twice. Rename one"
            )
    _check_inner_layers(layers, LAYERS_PATH)


def _check_inner_layers(layers: Mapping[str, Layer | None], path: str) -> None:
    for name, block in layers.items():
        if not isinstance(block, Residual):
            continue
        if not any(block.layers.values()):
            raise ConfigError(
                f"{path}.{name}.layers: expected at least one layer that is not null. To leave "
                f"the block out, set {path}.{name}=null"
            )
        for below, inner in inner_layers(name, block):
            ordered_layers(inner, f"{path}.{below}")
            _check_inner_layers(inner, f"{path}.{below}")


def _suggest_place(name: str, order: list[tuple[str, Layer]]) -> str:
    """Return what to do with a layer that comes after the logits."""
    types = [layer.type for _, layer in order]
    logits = max((i for i, kind in enumerate(types) if kind not in NOT_ALLOWED_LAST), default=0)
    places = [before for before, _ in order[:logits]]
    if not places:
        return f"Remove this layer: model.layers.{name}=null"
    return f"Set model.layers.{name}.after to one of {', '.join(places)}"


def _check_window(path: str, layer: "keras.layers.Layer", inputs: "keras.KerasTensor") -> None:
    """Refuse a kernel or pooling window that is larger than the image that the layer receives."""
    setting = "kernel_size" if hasattr(layer, "kernel_size") else "pool_size"
    window = getattr(layer, setting, None)
    if not isinstance(window, tuple) or len(inputs.shape) != 4 or None in inputs.shape[1:3]:
        return
    dilation = getattr(layer, "dilation_rate", (1, 1))
    spans = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    height, width = inputs.shape[1:3]
    if spans[0] > height or spans[1] > width:
        dilated = f", dilated to {spans[0]} x {spans[1]}" if tuple(spans) != window else ""
        raise ConfigError(
            f"{path}: expected a {setting} of at most {height} x {width}, the size of "
            f"the layer's input. Received: {window[0]} x {window[1]}{dilated}. Use a smaller one, "
            "or padding=same"
        )


def check_width(layers: Mapping[str, Layer | None], num_classes: int) -> None:
    """Refuse a last layer of another width than the number of classes, before it is built.

    Raises:
        ConfigError: names the layer.
    """
    name, last = ordered_layers(layers)[-1]
    settings, prefix = _settings_of(f"model.layers.{name}", last)
    units = settings.get("units", num_classes)
    if units != num_classes:
        raise ConfigError(
            f"{prefix}.units: expected {num_classes} in the last layer, one logit per class. "
            f"Received: {units}. Write units: ${{data.num_classes}}"
        )


def _settings_of(path: str, layer: Layer) -> tuple[dict[str, Any], str]:
    """Return the settings of a layer, and their path in the config."""
    if isinstance(layer, AnyKerasLayer):
        return layer.config, f"{path}.config"
    return layer.model_dump(), path


def _check_activation(path: str, last: Layer) -> None:
    """Refuse a last layer that does not return logits, since it has an activation."""
    class_name = getattr(last, "class_name", "")
    if isinstance(last, Activation) or class_name in ACTIVATION_CLASSES:
        raise ConfigError(
            f"{path}: expected the logits to come last, since the loss applies softmax itself. "
            f"Received: an activation layer after them. Remove this layer: {path}=null"
        )
    settings, prefix = _settings_of(path, last)
    activation = settings.get("activation") or "linear"
    if activation != "linear":
        raise ConfigError(
            f"{prefix}.activation: expected linear in the last layer, which returns logits: "
            f"the loss applies softmax itself. Received: {activation!r}. Remove it, "
            "or add a layer with one unit for each class after this one"
        )


def _format_shape(tensor: "keras.KerasTensor") -> str:
    return "[" + ", ".join("n" if size is None else str(size) for size in tensor.shape) + "]"
