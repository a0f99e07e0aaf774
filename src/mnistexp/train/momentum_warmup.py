"""Batch normalization whose momentum warms up. Only a training uses it, never a logged model.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable, Collection
from typing import Any

import keras
import tensorflow as tf


class WarmUpBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization with the momentum min(final momentum, (1 + n) / (10 + n)).

    The averages of the first batches have almost no weight later, as with the argument
    `num_updates` of TensorFlow 1's `ExponentialMovingAverage`. Config and variables are those of
    Keras' layer, so the trained values can be copied to one.

    final_momentum: the momentum of the config.
    num_updates: returns n, the number of updates so far, for example the optimizer's steps.
    """

    final_momentum: float
    num_updates: Callable[[], Any]

    @property
    def momentum(self) -> Any:
        """The momentum of the next update, float32, which Keras' `call` reads."""
        step = tf.cast(self.num_updates(), tf.float32)
        return tf.minimum(self.final_momentum, (1 + step) / (10 + step))

    @momentum.setter
    def momentum(self, value: float) -> None:
        self.final_momentum = value

    def get_config(self) -> dict[str, Any]:
        """Return the config of Keras' layer."""
        plain = keras.layers.BatchNormalization.get_config
        return {**plain(self), "momentum": self.final_momentum}


def copy_network(network: keras.Model, momentum_warmup: Collection[str]) -> keras.Model:
    """Copy the layers of a network, with a warm-up of the momentum in some of them.

    The values of the weights are not copied.

    Args:
        momentum_warmup: names of batch-normalization layers.
    """

    def copy_layer(layer: Any) -> Any:
        warms_up = layer.name in momentum_warmup
        layer_class = WarmUpBatchNormalization if warms_up else type(layer)
        return layer_class.from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=copy_layer)


def count_updates(network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Let the momentum of a network of `copy_network` follow the steps of this optimizer."""
    for layer in network.layers:
        if isinstance(layer, WarmUpBatchNormalization):
            layer.num_updates = lambda: optimizer.iterations
