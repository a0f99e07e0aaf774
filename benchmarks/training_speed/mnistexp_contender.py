"""The training loop of mnistexp, with its default settings and without a recording."""

from collections.abc import Mapping

import numpy as np

from mnistexp.learner.network import NetworkLearner
from training_speed.block_timer import BlockTimer
from training_speed.case import Case


def train(case: Case, timer: BlockTimer) -> float:
    """Train; return the test accuracy."""
    data = case.data()
    learner = NetworkLearner(case.config(), data)

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
