"""The training: its settings, the one loop, and what is measured in it."""

from mnistexp.train.batch_order import Split
from mnistexp.train.checkpoint import (
    NO_CHECKPOINTS,
    Checkpoint,
    CheckpointFolder,
    Checkpoints,
)
from mnistexp.train.config import Target, TrainConfig, TrainingLength
from mnistexp.train.history import History, LogMetrics, check_finite
from mnistexp.train.snapshot import (
    NO_MONITORS,
    Evaluation,
    Monitors,
    QuantileSource,
    Snapshot,
    SnapshotRecorder,
)
from mnistexp.train.training_loop import TrainingResult, fit

__all__ = [
    "NO_CHECKPOINTS",
    "NO_MONITORS",
    "Checkpoint",
    "CheckpointFolder",
    "Checkpoints",
    "Evaluation",
    "History",
    "LogMetrics",
    "Monitors",
    "QuantileSource",
    "Snapshot",
    "SnapshotRecorder",
    "Split",
    "Target",
    "TrainConfig",
    "TrainingLength",
    "TrainingResult",
    "check_finite",
    "fit",
]
