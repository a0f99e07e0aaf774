"""A loss that is no longer a number."""

import math

from mnistexp.errors import TrainingDiverged


def check_finite(loss: float, step: int, of: str = "loss") -> None:
    """Refuse a loss that is NaN or infinite after `step` steps.

    Raises:
        TrainingDiverged: it is; with what to try.
    """
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"the {of} became {loss} at step {step}. Try a lower optim.learning_rate, "
            "optim.global_clipnorm=1.0, another model.kernel_initializer, or "
            "train.loss=cross_entropy if it is not"
        )
