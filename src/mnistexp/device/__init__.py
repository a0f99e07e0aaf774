"""The device that computes: CPU or GPU, precision, XLA, threads and determinism."""

from mnistexp.device.config import (
    DeviceConfig,
    check_device,
    count_gpus,
    num_cores,
    num_threads,
)
from mnistexp.device.memory import peak_memory_mb, reset_peak_memory
from mnistexp.device.optional_packages import skip_optional_packages
from mnistexp.device.set_up import Device, cpu_device, import_tensorflow, set_up_device
from mnistexp.device.tensorflow_private import is_onednn_enabled

__all__ = [
    "Device",
    "DeviceConfig",
    "check_device",
    "count_gpus",
    "cpu_device",
    "import_tensorflow",
    "is_onednn_enabled",
    "num_cores",
    "num_threads",
    "peak_memory_mb",
    "reset_peak_memory",
    "set_up_device",
    "skip_optional_packages",
]
