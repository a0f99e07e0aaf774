"""When XLA compiles the training loop of a network."""

import pytest
from support import network_config

from mnistexp.device import Device
from mnistexp.learner.network import use_xla


@pytest.mark.parametrize(
    ("model", "setting", "device_type", "compiled"),
    [
        ("five_layers", "auto", "cpu", True),
        ("five_layers_dropout", "auto", "cpu", False),
        ("conv_big", "auto", "cpu", False),
        ("softmax", "auto", "cpu", False),
        ("conv_big", "auto", "gpu", True),
        ("conv_big", "on", "cpu", True),
        ("five_layers", "off", "gpu", False),
    ],
)
def test_auto_uses_xla_where_it_is_faster(
    model: str, setting: str, device_type: str, compiled: bool
) -> None:
    device = Device("any", "gpu" if device_type == "gpu" else "cpu", "/any:0")
    assert use_xla(network_config(f"model={model}"), setting, device) is compiled
