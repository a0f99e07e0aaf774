"""Where runs are recorded: MLflow, or nowhere."""

from mnistexp.tracking.config import MlflowTracking, NoTracking, TrackingConfig
from mnistexp.tracking.model_registry import (
    StoredModel,
    fetch_model,
    model_of_run,
    names_of_model,
    promote_model,
    registered_model,
    registered_names,
)
from mnistexp.tracking.orphaned_runs import RunningRun, close_orphaned, open_runs
from mnistexp.tracking.run_context import start_run
from mnistexp.tracking.run_store import (
    RunRecord,
    add_to_run,
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
    tracking_uri,
    without_password,
)
from mnistexp.tracking.tracker import NoTracker, Tracker
from mnistexp.tracking.urls import browse_hint, runs_page

__all__ = [
    "MlflowTracking",
    "NoTracker",
    "NoTracking",
    "RunRecord",
    "RunningRun",
    "StoredModel",
    "Tracker",
    "TrackingConfig",
    "add_to_run",
    "browse_hint",
    "check_store",
    "check_tracking",
    "close_orphaned",
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
    "start_run",
    "tracking_uri",
    "without_password",
]
