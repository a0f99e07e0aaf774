"""The private functions of TensorFlow still do what `device/tensorflow_private.py` says."""

import importlib

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.device import set_up_device

CHANGED = (
    "TensorFlow has changed {name}: look for its successor, or for a public function, and adapt "
    "src/mnistexp/device/tensorflow_private.py"
)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("tensorflow.python.framework.config", "disable_op_determinism"),
        ("tensorflow.python.util._pywrap_util_port", "IsMklEnabled"),
    ],
)
def test_the_private_functions_exist(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name), CHANGED.format(name=f"{module}.{name}")


def test_each_run_of_a_process_has_its_own_determinism() -> None:
    from tensorflow.python.framework.config import is_op_determinism_enabled

    for setting in (True, False):
        overrides = ["device=cpu", f"device.deterministic={setting}"]
        set_up_device(compose_config(overrides)[0].device, seed=0)
        message = CHANGED.format(name="op determinism")
        assert is_op_determinism_enabled() is setting, message
