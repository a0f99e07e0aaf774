"""The runs of a store, read back as tables."""

from mnistexp.runs.frames import load_history, load_runs, tracking_of
from mnistexp.runs.selection import SWEEP_JOBS, last_sweep, select_runs
from mnistexp.runs.where import filter_runs

__all__ = [
    "SWEEP_JOBS",
    "filter_runs",
    "last_sweep",
    "load_history",
    "load_runs",
    "select_runs",
    "tracking_of",
]
