"""The stored losses of the presets whose compilation with XLA takes long."""

import pytest
from stored_curves import SLOW, check_losses

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("model", "xla"), SLOW)
def test_the_losses_of_the_first_steps_are_the_stored_ones(model: str, xla: str) -> None:
    check_losses(model, xla, SLOW)
