"""The device: what is refused, what is taken, and what is said about it."""

import subprocess
import sys
from typing import Any

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.device import (
    Device,
    check_device,
    count_gpus,
    peak_memory_mb,
    reset_peak_memory,
    set_up_device,
)
from mnistexp.errors import DeviceError

without_gpu = pytest.mark.skipif(count_gpus() > 0, reason="this machine has a GPU")


def config(*overrides: str) -> Any:
    return compose_config(list(overrides))[0].device


@without_gpu
def test_a_gpu_that_is_not_there_is_never_replaced_silently() -> None:
    with pytest.raises(DeviceError, match=r"device.type: expected an NVIDIA GPU.*device=cpu"):
        check_device(config("device=gpu"))


@without_gpu
def test_auto_says_what_it_took() -> None:
    device = set_up_device(config("device=auto"), seed=0)
    assert device.type == "cpu"
    assert "cores" in device.name


def test_threads_cannot_change_once_tensorflow_has_started() -> None:
    import tensorflow as tf

    set_up_device(config("device=cpu"), seed=0)
    tf.zeros(1)
    with pytest.raises(DeviceError, match="run this in a process of its own"):
        set_up_device(config("device=cpu", "device.threads=1"), seed=0)


def test_the_precision_is_that_of_new_layers() -> None:
    import keras

    try:
        set_up_device(config("device=cpu", "device.precision=mixed_bfloat16"), seed=0)
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    finally:
        set_up_device(config("device=cpu"), seed=0)
    assert keras.layers.Dense(1).compute_dtype == "float32"


def test_determinism_is_that_of_each_run() -> None:
    from tensorflow.python.framework.config import is_op_determinism_enabled

    for wanted in (True, False):
        set_up_device(config("device=cpu", f"device.deterministic={wanted}"), seed=0)
        assert is_op_determinism_enabled() is wanted


def test_the_peak_of_the_memory_is_that_of_this_run() -> None:
    device = Device("processor", "cpu", "/CPU:0")
    reset_peak_memory(device)
    before = peak_memory_mb(device)["peak_memory_mb"]
    block = bytearray(300 * 1024**2)
    block[::4096] = b"x" * len(block[::4096])
    del block
    assert peak_memory_mb(device)["peak_memory_mb"] - before > 250
    reset_peak_memory(device)
    assert peak_memory_mb(device)["peak_memory_mb"] - before < 250


SET_UP = """
from mnistexp.config.compose import compose_config
from mnistexp.device import set_up_device
set_up_device(compose_config({overrides})[0].device, 0)
import os, tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), os.environ["TF_ENABLE_ONEDNN_OPTS"])
"""


def set_up_in_a_process_of_its_own(*overrides: str) -> "subprocess.CompletedProcess[str]":
    code = SET_UP.format(overrides=list(overrides))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_threads_and_onednn_are_set_and_tensorflow_is_quiet() -> None:
    process = set_up_in_a_process_of_its_own("device=cpu", "device.threads=1")
    assert process.stdout.split() == ["1", "1"]
    assert process.stderr == ""
