"""The device that computes: CPU or GPU, precision, XLA, threads and determinism."""

from mnistexp.device.device import (
    Device,
    DeviceConfig,
    check_device,
    count_gpus,
    import_tensorflow,
    peak_memory_mb,
    processor,
    reset_peak_memory,
    set_up_device,
)

__all__ = [
    "Device",
    "DeviceConfig",
    "check_device",
    "count_gpus",
    "import_tensorflow",
    "peak_memory_mb",
    "processor",
    "reset_peak_memory",
    "set_up_device",
]
