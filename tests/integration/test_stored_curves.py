"""The stored losses of the presets whose compilation with XLA takes long."""

from pathlib import Path

import pytest
from stored_curves import SLOW, check_losses, compute_in_new_process

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the losses of this version."""
    file = tmp_path_factory.mktemp("stored_curves") / "losses.json"
    compute_in_new_process(file, SLOW)
    return file


@pytest.mark.parametrize(("model", "xla"), SLOW)
def test_the_losses_of_the_first_steps_are_the_stored_ones(
    computed: Path, model: str, xla: str
) -> None:
    check_losses(computed, model, xla)
