"""The training: its length, its cadence and the one loop."""

from mnistexp.train.config import TrainConfig
from mnistexp.train.divergence import check_finite
from mnistexp.train.history import History, LogMetrics
from mnistexp.train.loop import Training, fit
from mnistexp.train.snapshot import NOBODY, Evaluation, Observer, Snapshot, Spread, Watching
from mnistexp.train.split import Split

__all__ = [
    "NOBODY",
    "Evaluation",
    "History",
    "LogMetrics",
    "Observer",
    "Snapshot",
    "Split",
    "Spread",
    "TrainConfig",
    "Training",
    "Watching",
    "check_finite",
    "fit",
]
