"""Set up TensorFlow: device, precision, threads, oneDNN and determinism."""

import subprocess
import sys

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.device import DeviceConfig, count_gpus, set_up_device
from mnistexp.errors import DeviceError

SET_UP = """
from mnistexp.config.compose import compose_config
from mnistexp.device import set_up_device
set_up_device(compose_config({overrides})[0].device, 0)
import os, tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), os.environ["TF_ENABLE_ONEDNN_OPTS"])
"""


def device_config(*overrides: str) -> DeviceConfig:
    return compose_config(list(overrides))[0].device


@pytest.mark.skipif(count_gpus() > 0, reason="this machine has a GPU")
def test_auto_selects_the_cpu_without_a_gpu() -> None:
    device = set_up_device(device_config("device=auto"), seed=0)
    assert device.type == "cpu"
    assert "cores" in device.name


def test_threads_cannot_change_once_tensorflow_has_started() -> None:
    import tensorflow as tf

    set_up_device(device_config("device=cpu"), seed=0)
    tf.zeros(1)
    with pytest.raises(DeviceError, match="run this in a process of its own"):
        set_up_device(device_config("device=cpu", "device.threads=1"), seed=0)


def test_the_precision_applies_to_new_layers() -> None:
    import keras

    try:
        set_up_device(device_config("device=cpu", "device.precision=mixed_bfloat16"), seed=0)
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    finally:
        set_up_device(device_config("device=cpu"), seed=0)
    assert keras.layers.Dense(1).compute_dtype == "float32"


def test_threads_and_onednn_are_set_and_tensorflow_prints_nothing() -> None:
    code = SET_UP.format(overrides=["device=cpu", "device.threads=1"])
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.split()[-2:] == ["1", "1"]
    assert process.stderr == ""
