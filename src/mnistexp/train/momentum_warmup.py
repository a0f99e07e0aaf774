"""Batch normalization whose momentum warms up. Only a training uses it, never a logged model.

Imports TensorFlow, so import this module only where a network is trained.
"""

from collections.abc import Callable
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
