"""Set up TensorFlow for a run: device, precision, threads, oneDNN, determinism and seeds."""

import gc
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from mnistexp.activity import show_activity
from mnistexp.device.config import DeviceConfig, OnOff
from mnistexp.device.optional_packages import optional_packages_hidden
from mnistexp.device.tensorflow_private import disable_op_determinism
from mnistexp.errors import DeviceError

_ALREADY_STARTED = (
    "device: threads, oneDNN and the choice of the GPU cannot change once TensorFlow has started: "
    "run this in a process of its own"
)


@dataclass(frozen=True)
class Device:
    """A device that is set up.

    name: the processor's product name. type: `cpu` or `gpu`. tensorflow_name: `/GPU:0` for example.
    """

    name: str
    type: Literal["cpu", "gpu"]
    tensorflow_name: str


def set_up_device(config: DeviceConfig, seed: int) -> Device:
    """Import TensorFlow without its log messages, set the device up and seed all random generators.

    Raises:
        DeviceError: TensorFlow finds no GPU although `type` is `gpu`; or it has already started
            with other threads, another GPU or another oneDNN setting, which cannot change in a
            process.
    """
    tf = import_tensorflow(config.onednn)
    import keras

    keras.backend.clear_session()
    gpus = _select_gpu(config, tf)
    try:
        _configure(config, gpus, tf)
    except RuntimeError as error:
        raise DeviceError(_ALREADY_STARTED) from error
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(seed)
    if not gpus:
        return cpu_device()
    details = tf.config.experimental.get_device_details(gpus[0])
    return Device(str(details.get("device_name", "GPU")), "gpu", "/GPU:0")


def cpu_device() -> Device:
    """Return the CPU, which needs no set-up."""
    return Device(_cpu_name(), "cpu", "/CPU:0")


def import_tensorflow(onednn: OnOff = "auto") -> Any:
    """Import TensorFlow without its log messages.

    Environment variables that the user has set keep their values.

    Args:
        onednn: as in `DeviceConfig`.
    """
    started = "tensorflow" in sys.modules
    _set_onednn(onednn, started)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # The compiled training loop needs it.
    with show_activity("loading TensorFlow"), ExitStack() as stack:
        if not started:
            stack.enter_context(_discard_stderr())
            stack.enter_context(_garbage_collection_off())
            stack.enter_context(optional_packages_hidden())
        import tensorflow as tf

        tf.config.list_physical_devices()  # The search for GPUs prints messages, too.
    tf.get_logger().setLevel("ERROR")
    return tf


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Collect no garbage: an import creates 400,000 objects, among which there is hardly any.

    Later collections leave these objects out.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _set_onednn(setting: OnOff, started: bool) -> None:
    """Set the environment variable, which TensorFlow reads only when it starts."""
    if setting == "auto":
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # Convolutions: 2 to 3 times faster.
        return
    value = "1" if setting == "on" else "0"
    if started and value != os.environ.get("TF_ENABLE_ONEDNN_OPTS"):
        raise DeviceError(_ALREADY_STARTED)
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = value


@contextmanager
def _discard_stderr() -> Iterator[None]:
    """Discard what C++ code writes to file descriptor 2 before its log level takes effect."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _select_gpu(config: DeviceConfig, tf: Any) -> list[Any]:
    """Return a list of the one GPU to use, or an empty list."""
    if config.type == "cpu":
        return []
    gpus = tf.config.list_physical_devices("GPU")
    if config.type == "gpu" and not gpus:
        raise DeviceError(
            "device.type: expected a GPU that TensorFlow finds. Received: none. Install the CUDA "
            "libraries with pip install 'mnistexp[gpu]'"
        )
    if gpus and config.index >= len(gpus):
        raise DeviceError(
            f"device.index: expected less than {len(gpus)}, the number of GPUs that TensorFlow "
            f"finds. Received: {config.index}"
        )
    return list(gpus[config.index : config.index + 1])


def _configure(config: DeviceConfig, gpus: list[Any], tf: Any) -> None:
    if tf.config.get_visible_devices("GPU") != gpus:
        tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    if tf.config.threading.get_intra_op_parallelism_threads() != (config.threads or 0):
        tf.config.threading.set_intra_op_parallelism_threads(config.threads or 0)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    else:
        disable_op_determinism()


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
