"""The copy of a network that the compiled loop trains: with layers of its own, and a warm-up.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Collection
from typing import Any

import keras

from mnistexp.train.cpu_layers import (
    BlockInputConv2D,
    BlockOutputConv2D,
    FusedBatchNormalization,
    PhaseGradientConv2D,
    gains_by_blocks,
    gains_by_fusion,
    gains_by_phases,
)
from mnistexp.train.momentum_warmup import WarmUpBatchNormalization
from mnistexp.train.xla_layers import TransposedGradientDense, gains_by_transposed_gradient


class FusedWarmUpBatchNormalization(WarmUpBatchNormalization, FusedBatchNormalization):
    """Batch normalization of images as one operation, with a momentum that warms up."""


def copy_network(
    network: keras.Model,
    momentum_warmup: Collection[str],
    *,
    cpu_layers: bool = False,
    xla: bool = False,
) -> keras.Model:
    """Copy the layers of a network, some of them as layers of another class with equal variables.

    The values of the weights are not copied.

    Args:
        momentum_warmup: names of batch-normalization layers whose momentum warms up.
        cpu_layers: use the layers that train faster on a CPU, with oneDNN or with XLA.
        xla: whether XLA will compile the copy.
    """
    choose = _choose_xla_layers if xla else _choose_onednn_layers
    classes = choose(network) if cpu_layers else {}

    def copy_layer(layer: Any) -> Any:
        layer_class = classes.get(layer.name, type(layer))
        if layer.name in momentum_warmup:
            layer_class = _WARM_UP_CLASSES[layer_class]
        return layer_class.from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=copy_layer)


_WARM_UP_CLASSES = {
    keras.layers.BatchNormalization: WarmUpBatchNormalization,
    FusedBatchNormalization: FusedWarmUpBatchNormalization,
}


def _choose_xla_layers(network: keras.Model) -> dict[str, type[keras.layers.Layer]]:
    """Return the class of each layer that trains faster as one of `xla_layers`, by name."""
    return {
        layer.name: TransposedGradientDense
        for layer in network.layers
        if gains_by_transposed_gradient(layer)
    }


def _choose_onednn_layers(network: keras.Model) -> dict[str, type[keras.layers.Layer]]:
    """Return the class of each layer that trains faster as one of `cpu_layers`, by name."""
    classes: dict[str, type[keras.layers.Layer]] = {}
    for layer in network.layers[1:]:  # The first one is the input.
        if gains_by_fusion(layer):
            classes[layer.name] = FusedBatchNormalization
        elif gains_by_phases(layer):
            first = _layer_before(network, layer)
            if first is not None and gains_by_blocks(first):
                classes |= {first.name: BlockOutputConv2D, layer.name: BlockInputConv2D}
            else:
                classes[layer.name] = PhaseGradientConv2D
    return classes


def _layer_before(network: keras.Model, layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """Return the first layer of a network if this layer, and no other, receives its output."""
    first = network.layers[1]
    receivers = [
        other.name
        for other in network.layers[1:]
        if any(tensor is first.output for tensor in _inputs(other))
    ]
    return first if receivers == [layer.name] else None


def _inputs(layer: keras.layers.Layer) -> list[Any]:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def count_updates(network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Let the momentum of a network of `copy_network` follow the steps of this optimizer."""
    for layer in network.layers:
        if isinstance(layer, WarmUpBatchNormalization):
            layer.num_updates = lambda: optimizer.iterations
