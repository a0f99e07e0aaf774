"""Where runs are recorded: MLflow, or nowhere."""

from mnistexp.tracking.config import MlflowTracking, NoTracking, TrackingConfig
from mnistexp.tracking.lost import OpenRun, close_lost, open_runs
from mnistexp.tracking.models import (
    StoredModel,
    fetch_model,
    model_of_run,
    names_of_model,
    promote_model,
    registered_model,
    registered_names,
)
from mnistexp.tracking.pages import runs_page, where_to_look
from mnistexp.tracking.runs import (
    PastRun,
    add_to_run,
    end_run,
    existing_runs,
    fetch_artifact,
    find_run,
    metric_history,
    past_runs,
    read_artifact,
)
from mnistexp.tracking.start import sigterm_as_interrupt, start_run
from mnistexp.tracking.store import (
    check_store,
    check_tracking,
    is_there,
    tracking_uri,
    without_password,
)
from mnistexp.tracking.tracker import NoTracker, Tracker

__all__ = [
    "MlflowTracking",
    "NoTracker",
    "NoTracking",
    "OpenRun",
    "PastRun",
    "StoredModel",
    "Tracker",
    "TrackingConfig",
    "add_to_run",
    "check_store",
    "check_tracking",
    "close_lost",
    "end_run",
    "existing_runs",
    "fetch_artifact",
    "fetch_model",
    "find_run",
    "is_there",
    "metric_history",
    "model_of_run",
    "names_of_model",
    "open_runs",
    "past_runs",
    "promote_model",
    "read_artifact",
    "registered_model",
    "registered_names",
    "runs_page",
    "sigterm_as_interrupt",
    "start_run",
    "tracking_uri",
    "where_to_look",
    "without_password",
]
