"""The optimizer and its learning-rate schedule."""

from mnistexp.optim.decay import DecayConfig, build_schedule
from mnistexp.optim.optimizer import OptimConfig, build_optimizer, find_keras_optimizer

__all__ = [
    "DecayConfig",
    "OptimConfig",
    "build_optimizer",
    "build_schedule",
    "find_keras_optimizer",
]
