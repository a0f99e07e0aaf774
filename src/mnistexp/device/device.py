"""Where it is computed: the processor, its precision, XLA, threads and determinism."""

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from mnistexp.errors import DeviceError
from mnistexp.schema import Count, Section

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


class DeviceConfig(Section):
    """The device and how it computes."""

    type: Literal["auto", "cpu", "gpu"]
    """`auto` takes a GPU where there is one. `gpu` fails where there is none."""
    index: Annotated[int, Field(ge=0)] = 0
    """Which GPU, counted from 0."""
    precision: Precision = "float32"
    """Of the layers' arithmetic; weights are float32 in any case."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Compile the training loop with XLA. `auto`: on a GPU, and on a CPU for dense layers only."""
    onednn: Literal["auto", "on", "off"] = "auto"
    """Intel's operations on a CPU. `auto`: on, unless TF_ENABLE_ONEDNN_OPTS says otherwise."""
    threads: Count | None = None
    """Threads that one operation may use. Default: all cores."""
    deterministic: bool = False
    """Refuse operations whose result can vary from run to run; some become slow on a GPU."""


@dataclass(frozen=True)
class Device:
    """What was set up.

    name: the processor's product name. type: `cpu` or `gpu`. tensorflow_name: `/GPU:0` for example.
    """

    name: str
    type: Literal["cpu", "gpu"]
    tensorflow_name: str


def check_device(config: DeviceConfig) -> None:
    """Refuse a GPU that cannot be there, before TensorFlow is imported.

    Raises:
        DeviceError: a GPU is asked for, and the NVIDIA driver reports none of that index.
    """
    if config.type != "gpu":
        return
    count = count_gpus()
    if count == 0:
        raise DeviceError(
            "device.type: expected an NVIDIA GPU with its driver. Received: none found. "
            "Use device=cpu or device=auto"
        )
    if config.index >= count:
        raise DeviceError(
            f"device.index: expected less than {count}, the number of GPUs. "
            f"Received: {config.index}"
        )


def set_up_device(config: DeviceConfig, seed: int) -> Device:
    """Import TensorFlow, quietly, choose the device and seed every random generator.

    Raises:
        DeviceError: TensorFlow sees no GPU although one is asked for, or has already started with
            other threads, another GPU or oneDNN the other way (these cannot change in a process).
    """
    tf = import_tensorflow(config.onednn)
    import keras

    keras.backend.clear_session()
    gpus = _visible_gpus(config, tf)
    try:
        _configure(config, gpus, tf)
    except RuntimeError as error:
        raise DeviceError(_TOO_LATE) from error
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(seed)
    if not gpus:
        return processor()
    details = tf.config.experimental.get_device_details(gpus[0])
    return Device(str(details.get("device_name", "GPU")), "gpu", "/GPU:0")


def processor() -> Device:
    """The CPU, which needs no setting up."""
    return Device(_cpu_name(), "cpu", "/CPU:0")


def reset_peak_memory(device: Device) -> None:
    """Count the peak memory from here on."""
    if device.type == "gpu":
        import tensorflow as tf

        tf.config.experimental.reset_memory_stats(device.tensorflow_name[1:])
    try:
        # Linux: 5 resets the peak of the resident set that /proc/self/status reports.
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_memory_mb(device: Device) -> dict[str, float]:
    """Peak memory since `reset_peak_memory` in MB: of the process, and of the GPU if it is used."""
    peaks = {"peak_memory_mb": _peak_resident_kb() / 1024}
    if device.type == "gpu":
        import tensorflow as tf

        used = tf.config.experimental.get_memory_info(device.tensorflow_name[1:])["peak"]
        peaks["peak_gpu_memory_mb"] = used / 1024**2
    return peaks


_TOO_LATE = (
    "device: threads, oneDNN and the choice of the GPU cannot change once TensorFlow has started: "
    "run this in a process of its own"
)


def import_tensorflow(onednn: str = "auto") -> Any:
    """TensorFlow without its chatter. Environment variables that the user has set count."""
    started = "tensorflow" in sys.modules
    _choose_onednn(onednn, started)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # The compiled loop is TensorFlow's.
    with nullcontext() if started else _silent_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()  # The search for GPUs talks as well.
    tf.get_logger().setLevel("ERROR")
    return tf


def _choose_onednn(wish: str, started: bool) -> None:
    """TensorFlow reads the environment when it starts, and never again."""
    now = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    if wish == "auto":
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # Convolutions: 2 to 3 times faster.
        return
    chosen = "1" if wish == "on" else "0"
    if started and chosen != now:
        raise DeviceError(_TOO_LATE)
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = chosen


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drops what C++ writes to the file descriptor before its own log level is in force."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _visible_gpus(config: DeviceConfig, tf: Any) -> list[Any]:
    """The one GPU that is used, or none."""
    if config.type == "cpu":
        return []
    gpus = tf.config.list_physical_devices("GPU")
    if config.type == "gpu" and not gpus:
        raise DeviceError(
            "device.type: expected TensorFlow to see a GPU. Received: none. Install the CUDA "
            "libraries with pip install 'mnistexp[gpu]'"
        )
    if gpus and config.index >= len(gpus):
        raise DeviceError(
            f"device.index: expected less than {len(gpus)}, the number of GPUs that TensorFlow "
            f"sees. Received: {config.index}"
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
        # Not public, but the only way back for the next run of a sweep.
        from tensorflow.python.framework.config import disable_op_determinism

        disable_op_determinism()


def count_gpus() -> int:
    """How many GPUs the NVIDIA driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def _peak_resident_kb() -> int:
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
