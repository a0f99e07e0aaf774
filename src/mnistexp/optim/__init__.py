"""The optimizer and its learning-rate schedule."""

from mnistexp.optim.decay import LENGTH_DEPENDENT_DECAYS, DecayConfig, build_schedule
from mnistexp.optim.optimizer import (
    OptimConfig,
    build_optimizer,
    default_learning_rate,
    find_keras_optimizer,
)

__all__ = [
    "LENGTH_DEPENDENT_DECAYS",
    "DecayConfig",
    "OptimConfig",
    "build_optimizer",
    "build_schedule",
    "default_learning_rate",
    "find_keras_optimizer",
]
