"""Every model preset still has the stored losses, so no change of the code has changed them."""

import json

import pytest
from stored_curves import (
    FAST,
    FILE,
    MODELS,
    XLA_SETTINGS,
    check_losses,
    num_steps,
)

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.model import NetworkConfig


def test_there_is_a_curve_for_every_preset_of_a_network() -> None:
    networks = {
        model
        for model in list_groups()["model"]
        if isinstance(compose_config([f"model={model}"])[0].model, NetworkConfig)
    }
    assert set(MODELS) == networks
    curves = json.loads(FILE.read_text())
    del curves["machine"]
    assert {name: len(losses) for name, losses in curves.items()} == {
        f"{model} xla={xla}": num_steps(model, xla) for model in MODELS for xla in XLA_SETTINGS
    }


@pytest.mark.parametrize(("model", "xla"), FAST)
def test_the_losses_of_the_first_steps_are_the_stored_ones(model: str, xla: str) -> None:
    check_losses(model, xla, FAST)
