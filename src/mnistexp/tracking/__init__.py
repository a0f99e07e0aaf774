"""Where runs are recorded: MLflow, or nowhere."""

from mnistexp.tracking.config import MlflowTracking, NoTracking, TrackingConfig
from mnistexp.tracking.runs import (
    PastRun,
    end_run,
    existing_runs,
    metric_history,
    past_runs,
    read_artifact,
)
from mnistexp.tracking.store import (
    check_store,
    check_tracking,
    tracking_uri,
    where_to_look,
    without_password,
)
from mnistexp.tracking.tracker import NoTracker, Tracker, sigterm_as_interrupt, start_run

__all__ = [
    "MlflowTracking",
    "NoTracker",
    "NoTracking",
    "PastRun",
    "Tracker",
    "TrackingConfig",
    "check_store",
    "check_tracking",
    "end_run",
    "existing_runs",
    "metric_history",
    "past_runs",
    "read_artifact",
    "sigterm_as_interrupt",
    "start_run",
    "tracking_uri",
    "where_to_look",
    "without_password",
]
