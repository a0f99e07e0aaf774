"""The processor: what the driver reports and what TensorFlow makes of it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mnistexp.device import count_gpus, import_tensorflow, processor
from mnistexp.diagnostics.check_result import CheckResult

DRIVER = Path("/proc/driver/nvidia/version")
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


@dataclass(frozen=True)
class TensorFlow:
    """What TensorFlow says of itself.

    cuda: the version that it was built for; None for a build without. gpus: by their names.
    """

    version: str
    cuda: str | None
    gpus: tuple[str, ...]
    onednn: bool

    @property
    def build(self) -> str:
        """In words."""
        built = f"for CUDA {self.cuda}" if self.cuda else "without CUDA"
        return f"TensorFlow {self.version}, built {built}"


def check_computing() -> Iterator[CheckResult]:
    """CPU, GPU and oneDNN. Imports TensorFlow, which takes seconds."""
    wish = os.environ.get(ONEDNN)  # As the user has it; the import sets it.
    tensorflow = _ask_tensorflow()
    yield CheckResult("cpu", "ok", processor().name)
    yield judge_gpus(tensorflow, count_gpus(), DRIVER.is_file())
    yield judge_onednn(tensorflow.onednn, wish)


def judge_gpus(tensorflow: TensorFlow, num_reported: int, has_driver: bool) -> CheckResult:
    """Whether TensorFlow can use what the driver reports.

    Args:
        tensorflow: what it says of itself.
        num_reported: GPUs that the driver reports to this process.
        has_driver: whether NVIDIA's driver is loaded.
    """
    if tensorflow.gpus:
        return CheckResult("gpu", "ok", f"{', '.join(tensorflow.gpus)}; {tensorflow.build}")
    if num_reported:
        text = f"the driver reports {num_reported}, TensorFlow sees none; {tensorflow.build}"
        libraries = "pip install 'mnistexp[gpu]' brings the CUDA libraries"
        other = "install TensorFlow from the package index for Linux, which is built for CUDA"
        return CheckResult("gpu", "problem", text, libraries if tensorflow.cuda else other)
    if has_driver:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        remedy = "see nvidia-smi" if hidden is None else f"CUDA_VISIBLE_DEVICES is {hidden!r}"
        text = f"the driver is loaded and reports none; {tensorflow.build}"
        return CheckResult("gpu", "note", text, remedy)
    return CheckResult("gpu", "note", f"no NVIDIA driver, so runs take the CPU; {tensorflow.build}")


def judge_onednn(is_on: bool, wish: str | None) -> CheckResult:
    """Whether Intel's operations are used, and why not.

    Args:
        is_on: as TensorFlow says.
        wish: TF_ENABLE_ONEDNN_OPTS of the user's environment.
    """
    if is_on:
        return CheckResult("onednn", "ok", "on: fast convolutions on the CPU")
    if wish is not None:
        remedy = (
            f"unset {ONEDNN}, unless you compare with that; convolutions get 2 to 3 times faster"
        )
        return CheckResult("onednn", "note", f"off, since {ONEDNN}={wish}", remedy)
    return CheckResult("onednn", "note", "off: this build of TensorFlow has none")


def _ask_tensorflow() -> TensorFlow:
    tf = import_tensorflow()
    from tensorflow.python.util import _pywrap_util_port  # Nothing public tells of oneDNN.

    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    cuda = tf.sysconfig.get_build_info().get("cuda_version")
    return TensorFlow(
        version=tf.__version__,
        cuda=cuda if tf.test.is_built_with_cuda() else None,
        gpus=tuple(str(found.get("device_name", "GPU")) for found in details),
        onednn=bool(_pywrap_util_port.IsMklEnabled()),
    )
