"""The private function of Keras still exists and is still called."""

from unittest.mock import Mock

import keras
import tensorflow as tf

from mnistexp.train.keras_private import skip_gradient_sum


def test_the_optimizer_uses_the_replaced_gradient_sum() -> None:
    changed = (
        "Keras no longer sums gradients in Optimizer._all_reduce_sum_gradients: look at "
        "keras/src/backend/tensorflow/optimizer.py, and check whether a training still keeps its "
        "compiled loop in memory. Then adapt or delete src/mnistexp/train/keras_private.py"
    )
    assert hasattr(keras.optimizers.SGD, "_all_reduce_sum_gradients"), changed
    weight = keras.Variable([1.0])
    optimizer = keras.optimizers.SGD(1.0)
    skip_gradient_sum(optimizer)
    replacement = Mock(side_effect=optimizer._all_reduce_sum_gradients)
    optimizer._all_reduce_sum_gradients = replacement
    optimizer.apply([tf.constant([0.25])], [weight])
    assert replacement.called, changed
    assert float(weight[0]) == 0.75, changed
