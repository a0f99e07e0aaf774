"""Settings of the device, and the check for a GPU that needs no TensorFlow."""

import ctypes
import os
from typing import Annotated, Literal

from pydantic import Field

from mnistexp.errors import DeviceError
from mnistexp.schema import Count, Section

OnOff = Literal["auto", "on", "off"]


class DeviceConfig(Section):
    """The device, its precision and its compiler settings."""

    type: Literal["auto", "cpu", "gpu"]
    """`auto`: a GPU if there is one, else the CPU. `gpu`: an error if there is none."""
    index: Annotated[int, Field(ge=0)] = 0
    """Number of the GPU, counted from 0."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Precision of the computation in the layers. Weights are always float32."""
    xla: OnOff = "auto"
    """Compile the training loop with XLA. `auto`: on a GPU, and on a CPU for dense layers only; a
    single dense layer if it has at least 12,000 steps."""
    onednn: OnOff = "auto"
    """Intel's oneDNN operations on a CPU. `auto`: on, unless TF_ENABLE_ONEDNN_OPTS is set."""
    threads: Annotated[Count, Field(le=1024)] | None = None
    """Maximum number of threads of one operation. Default: all cores."""
    parts_per_batch: Annotated[int, Field(ge=1, le=64)] = 1
    """Parts of each batch that are computed at the same time, for a faster training on a CPU: with
    convolutions together with `threads: 1`, with dense layers together with XLA."""
    deterministic: bool = False
    """Reject operations whose result can vary between runs; some are slower on a GPU."""


def check_device(config: DeviceConfig) -> None:
    """Check that the GPU of the settings exists, before TensorFlow is imported.

    Raises:
        DeviceError: `type` is `gpu`, and the NVIDIA driver reports no GPU of that index.
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


def count_gpus() -> int:
    """Return the number of GPUs that the NVIDIA driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def num_threads(config: DeviceConfig) -> int:
    """Return the number of threads that one operation may use.

    It is the setting, else the share of a sweep's worker, else the number of cores of this process.
    The weights of convolutional networks depend on it.
    """
    if config.threads is not None:
        return config.threads
    share = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if share.isdigit() and int(share) > 0:
        return int(share)
    return num_cores()


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Not on macOS.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
