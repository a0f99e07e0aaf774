"""Peak memory of the process and of the GPU."""

import resource

from mnistexp.device.set_up import Device


def reset_peak_memory(device: Device) -> None:
    """Start a new measurement of the peak memory."""
    if device.type == "gpu":
        import tensorflow as tf

        tf.config.experimental.reset_memory_stats(device.tensorflow_name[1:])
    try:
        # Linux: 5 resets the peak of the resident set in /proc/self/status.
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_memory_mb(device: Device) -> dict[str, float]:
    """Return the peak since `reset_peak_memory` in MB: of the process, and of the GPU if used."""
    peaks = {"peak_memory_mb": _peak_resident_kb() / 1024}
    if device.type == "gpu":
        import tensorflow as tf

        used = tf.config.experimental.get_memory_info(device.tensorflow_name[1:])["peak"]
        peaks["peak_gpu_memory_mb"] = used / 1024**2
    return peaks


def _peak_resident_kb() -> int:
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
