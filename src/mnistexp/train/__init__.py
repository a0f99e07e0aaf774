"""The training: its length, its cadence and the one loop."""

from mnistexp.train.config import TrainConfig
from mnistexp.train.divergence import check_finite
from mnistexp.train.history import History, LogMetrics
from mnistexp.train.snapshot import (
    NO_MONITORS,
    Evaluation,
    Monitors,
    QuantileSource,
    Snapshot,
    SnapshotRecorder,
)
from mnistexp.train.split import Split
from mnistexp.train.training_loop import Training, fit

__all__ = [
    "NO_MONITORS",
    "Evaluation",
    "History",
    "LogMetrics",
    "Monitors",
    "QuantileSource",
    "Snapshot",
    "SnapshotRecorder",
    "Split",
    "TrainConfig",
    "Training",
    "check_finite",
    "fit",
]
