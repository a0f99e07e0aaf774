"""Where runs are recorded: MLflow, or nowhere."""

from mnistexp.tracking.config import MlflowTracking, NoTracking, TrackingConfig
from mnistexp.tracking.store import check_tracking, tracking_uri
from mnistexp.tracking.tracker import NoTracker, Tracker, start_run

__all__ = [
    "MlflowTracking",
    "NoTracker",
    "NoTracking",
    "Tracker",
    "TrackingConfig",
    "check_tracking",
    "start_run",
    "tracking_uri",
]
