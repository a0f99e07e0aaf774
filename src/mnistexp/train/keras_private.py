"""The one private function of Keras that the training replaces. `tests/train` checks it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def skip_gradient_sum(optimizer: "keras.optimizers.Optimizer") -> None:
    """Make the optimizer use the gradients as they are, without summing them over devices.

    A training uses one device, so there is nothing to sum. TensorFlow would register a gradient
    function for the sum permanently. It keeps the compiled loop and all its images in memory after
    the run. Keras has no public setting for this.
    """
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
