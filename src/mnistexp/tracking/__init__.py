"""Where runs are recorded: MLflow, or nowhere."""

from mnistexp.tracking.config import MlflowTracking, NoTracking, TrackingConfig
from mnistexp.tracking.runs import PastRun, past_runs
from mnistexp.tracking.store import check_store, check_tracking, tracking_uri, without_password
from mnistexp.tracking.tracker import NoTracker, Tracker, start_run

__all__ = [
    "MlflowTracking",
    "NoTracker",
    "NoTracking",
    "PastRun",
    "Tracker",
    "TrackingConfig",
    "check_store",
    "check_tracking",
    "past_runs",
    "start_run",
    "tracking_uri",
    "without_password",
]
