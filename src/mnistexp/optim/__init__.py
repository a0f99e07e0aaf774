"""The optimizer and its learning-rate schedule."""

from mnistexp.optim.decay import DecayConfig, build_schedule
from mnistexp.optim.optimizer import (
    OptimConfig,
    build_optimizer,
    default_learning_rate,
    find_keras_optimizer,
)

__all__ = [
    "DecayConfig",
    "OptimConfig",
    "build_optimizer",
    "build_schedule",
    "default_learning_rate",
    "find_keras_optimizer",
]
