"""The copy of a network that the compiled loop trains: with layers of its own, and a warm-up.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Collection
from typing import Any

import keras

from mnistexp.train.cpu_layers import (
    FusedBatchNormalization,
    PhaseGradientConv2D,
    gains_by_fusion,
    gains_by_phases,
)
from mnistexp.train.momentum_warmup import WarmUpBatchNormalization


class FusedWarmUpBatchNormalization(WarmUpBatchNormalization, FusedBatchNormalization):
    """Batch normalization of images as one operation, with a momentum that warms up."""


def copy_network(
    network: keras.Model, momentum_warmup: Collection[str], *, cpu_layers: bool = False
) -> keras.Model:
    """Copy the layers of a network, some of them as layers of another class with equal variables.

    The values of the weights are not copied.

    Args:
        momentum_warmup: names of batch-normalization layers whose momentum warms up.
        cpu_layers: use the layers that train faster on a CPU with oneDNN.
    """

    def copy_layer(layer: Any) -> Any:
        warms_up = layer.name in momentum_warmup
        layer_class = WarmUpBatchNormalization if warms_up else type(layer)
        if cpu_layers and gains_by_phases(layer):
            layer_class = PhaseGradientConv2D
        elif cpu_layers and gains_by_fusion(layer):
            layer_class = FusedWarmUpBatchNormalization if warms_up else FusedBatchNormalization
        return layer_class.from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=copy_layer)


def count_updates(network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Let the momentum of a network of `copy_network` follow the steps of this optimizer."""
    for layer in network.layers:
        if isinstance(layer, WarmUpBatchNormalization):
            layer.num_updates = lambda: optimizer.iterations
