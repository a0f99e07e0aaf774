"""Every model preset still has the stored losses, so no change of the code has changed them."""

import json

import numpy as np
import pytest
from stored_curves import FILE, MODELS, XLA_SETTINGS, compute_losses, describe_machine, num_steps

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.model import NetworkConfig

STORED = json.loads(FILE.read_text())
FAST = {*((model, "off") for model in MODELS), ("five_layers_batchnorm", "on")}
CASES = [
    pytest.param(model, xla, marks=() if (model, xla) in FAST else pytest.mark.integration)
    for model in MODELS
    for xla in XLA_SETTINGS
]


def test_there_is_a_curve_for_every_preset_of_a_network() -> None:
    networks = {
        model
        for model in list_groups()["model"]
        if isinstance(compose_config([f"model={model}"])[0].model, NetworkConfig)
    }
    assert set(MODELS) == networks
    lengths = {name: len(losses) for name, losses in STORED.items() if name != "machine"}
    assert lengths == {
        f"{model} xla={xla}": num_steps(model, xla) for model in MODELS for xla in XLA_SETTINGS
    }


@pytest.mark.parametrize(("model", "xla"), CASES)
def test_the_losses_of_the_first_steps_are_the_stored_ones(model: str, xla: str) -> None:
    losses = compute_losses(model, xla)
    stored = np.array(STORED[f"{model} xla={xla}"], "f4")
    hint = f"{model} gives other losses. If that is intended: python tests/stored_curves.py"
    # Convolutions sum in another order with another number of cores.
    if STORED["machine"] == describe_machine():
        np.testing.assert_array_equal(losses, stored, hint)
    else:
        np.testing.assert_allclose(losses, stored, rtol=1e-3, err_msg=hint)
