"""Checks of CPU, GPU and oneDNN: what the driver reports, and what TensorFlow uses."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mnistexp.device import count_gpus, cpu_device, import_tensorflow, is_onednn_enabled
from mnistexp.diagnostics.check_result import CheckResult

DRIVER_FILE = Path("/proc/driver/nvidia/version")
"""Exists if NVIDIA's driver is loaded."""
ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


@dataclass(frozen=True)
class TensorFlowBuild:
    """The installed TensorFlow.

    Attributes:
        cuda: the CUDA version it was built for; None for a build without CUDA.
        gpus: the names of the GPUs that it can use.
        onednn: whether it uses oneDNN.
    """

    version: str
    cuda: str | None
    gpus: tuple[str, ...]
    onednn: bool

    def __str__(self) -> str:
        built = f"for CUDA {self.cuda}" if self.cuda else "without CUDA"
        return f"TensorFlow {self.version}, built {built}"


def check_hardware() -> Iterator[CheckResult]:
    """Check CPU, GPU and oneDNN. Imports TensorFlow, which takes seconds."""
    onednn_setting = os.environ.get(ONEDNN_VARIABLE)  # Before the import, which changes it.
    build = _read_tensorflow_build()
    yield CheckResult("cpu", "ok", cpu_device().name)
    yield check_gpus(build, count_gpus(), DRIVER_FILE.is_file())
    yield check_onednn(build.onednn, onednn_setting)


def check_gpus(build: TensorFlowBuild, num_reported: int, has_driver: bool) -> CheckResult:
    """Check whether TensorFlow can use the GPUs that the driver reports.

    Args:
        build: the installed TensorFlow.
        num_reported: the number of GPUs that the driver reports to this process.
        has_driver: whether NVIDIA's driver is loaded.
    """
    if build.gpus:
        return CheckResult("gpu", "ok", f"{', '.join(build.gpus)}; {build}")
    if num_reported:
        remedy = (
            "pip install 'mnistexp[gpu]' installs the CUDA libraries"
            if build.cuda
            else "install TensorFlow for Linux from the package index, which is built for CUDA"
        )
        message = f"the driver reports {num_reported} GPUs, TensorFlow finds none; {build}"
        return CheckResult("gpu", "problem", message, remedy)
    if has_driver:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        remedy = "see nvidia-smi" if hidden is None else f"CUDA_VISIBLE_DEVICES is {hidden!r}"
        message = f"the NVIDIA driver is loaded but reports no GPU; {build}"
        return CheckResult("gpu", "note", message, remedy)
    return CheckResult("gpu", "note", f"no NVIDIA driver, so runs use the CPU; {build}")


def check_onednn(is_on: bool, setting: str | None) -> CheckResult:
    """Check whether Intel's oneDNN operations are used.

    Args:
        is_on: whether TensorFlow uses them.
        setting: TF_ENABLE_ONEDNN_OPTS of the user's environment; None if it is not set.
    """
    if is_on:
        return CheckResult("onednn", "ok", "on: fast convolutions on the CPU")
    if setting is None:
        return CheckResult("onednn", "note", "off: this build of TensorFlow does not contain it")
    remedy = f"unset {ONEDNN_VARIABLE}: convolutions become 2 to 3 times faster"
    return CheckResult("onednn", "note", f"off, since {ONEDNN_VARIABLE}={setting}", remedy)


def _read_tensorflow_build() -> TensorFlowBuild:
    tf = import_tensorflow()
    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    cuda = tf.sysconfig.get_build_info().get("cuda_version")
    return TensorFlowBuild(
        version=tf.__version__,
        cuda=cuda if tf.test.is_built_with_cuda() else None,
        gpus=tuple(str(detail.get("device_name", "GPU")) for detail in details),
        onednn=is_onednn_enabled(),
    )
