"""The check for a GPU before TensorFlow is imported."""

import pytest

from mnistexp.device import DeviceConfig, check_device, count_gpus
from mnistexp.errors import DeviceError


@pytest.mark.skipif(count_gpus() > 0, reason="this machine has a GPU")
def test_a_missing_gpu_is_an_error_and_the_cpu_does_not_replace_it() -> None:
    with pytest.raises(DeviceError, match=r"device.type: expected an NVIDIA GPU.*device=cpu"):
        check_device(DeviceConfig(type="gpu"))
