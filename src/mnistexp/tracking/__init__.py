"""Where runs are recorded: MLflow, or nowhere."""

from mnistexp.tracking.config import MlflowTracking, NoTracking, TrackingConfig
from mnistexp.tracking.lost import OpenRun, close_lost, open_runs
from mnistexp.tracking.runs import (
    PastRun,
    end_run,
    existing_runs,
    fetch_artifact,
    find_run,
    metric_history,
    past_runs,
    read_artifact,
)
from mnistexp.tracking.store import (
    check_store,
    check_tracking,
    is_there,
    runs_page,
    tracking_uri,
    where_to_look,
    without_password,
)
from mnistexp.tracking.tracker import NoTracker, Tracker, sigterm_as_interrupt, start_run

__all__ = [
    "MlflowTracking",
    "NoTracker",
    "NoTracking",
    "OpenRun",
    "PastRun",
    "Tracker",
    "TrackingConfig",
    "check_store",
    "check_tracking",
    "close_lost",
    "end_run",
    "existing_runs",
    "fetch_artifact",
    "find_run",
    "is_there",
    "metric_history",
    "open_runs",
    "past_runs",
    "read_artifact",
    "runs_page",
    "sigterm_as_interrupt",
    "start_run",
    "tracking_uri",
    "where_to_look",
    "without_password",
]
