"""The private functions of TensorFlow that are needed. `tests/device` checks them."""


def disable_op_determinism() -> None:
    """Turn off what `tf.config.experimental.enable_op_determinism` turns on.

    A sweep runs several jobs in one process, and each has its own setting. TensorFlow has no public
    function to turn determinism off.
    """
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def is_onednn_enabled() -> bool:
    """Return whether TensorFlow uses oneDNN. It has no public function for it."""
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())
