"""The training loop of mnistexp, without a recording."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mnistexp.learner.network import NetworkLearner
from mnistexp.train import compiled_trainer
from training_speed.block_timer import BlockTimer
from training_speed.case import Case


def train(
    case: Case,
    timer: BlockTimer,
    *,
    overrides: Sequence[str] = (),
    call_steps: int | None = None,
    in_parts: bool = False,
) -> float:
    """Train; return the test accuracy.

    Args:
        overrides: of the default settings.
        call_steps: number of steps of each call, instead of the one that is chosen.
        in_parts: compute two parts of each batch at the same time.
    """
    if in_parts:
        is_conv = case.network.startswith("conv")
        overrides = ["device=cpu_two_parts" if is_conv else "device.parts_per_batch=2", *overrides]
    if call_steps is not None:
        compiled_trainer.FIRST_CHUNK_STEPS = compiled_trainer.MAX_CHUNK_STEPS = call_steps
        compiled_trainer.CHUNK_SECONDS = math.inf
    data = case.data()
    learner = NetworkLearner(case.config(*overrides), data)

    def change_block(metrics: Mapping[str, float], step: int) -> None:
        """End a block when its metrics are logged, and begin the next one."""
        if "images_per_second" in metrics:
            timer.end()
            if step < case.steps * case.blocks:
                timer.begin()

    timer.begin()
    learner.fit(data, change_block)
    predicted = learner.predict_probabilities(data.test.images).argmax(1)
    return float(np.mean(predicted == data.test.labels))
