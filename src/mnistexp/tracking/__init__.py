"""Record runs in an MLflow store, and read them back."""

import os

# MLflow reads these variables when a function imports it, which any module may do later.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# MLflow would try a server for four minutes. The tracking process itself sends again.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

from mnistexp.tracking.config import (
    DEFAULT_EXPERIMENT,
    MlflowTracking,
    NoTracking,
    TrackingConfig,
)
from mnistexp.tracking.model_package import ModelDescription
from mnistexp.tracking.model_registry import StoredModel
from mnistexp.tracking.orphaned_runs import end_run
from mnistexp.tracking.run_context import run_context
from mnistexp.tracking.run_store import (
    COMMAND_TAG,
    ENDED_AT,
    FOLDER_TAG,
    PRUNED,
    Curve,
    RunRecord,
    RunStore,
)
from mnistexp.tracking.store import (
    browse_hint,
    check_store,
    check_tracking,
    redact_password,
    tracking_uri,
)
from mnistexp.tracking.tracker import Tracker
from mnistexp.tracking.tracking_process import start_tracking_process

__all__ = [
    "COMMAND_TAG",
    "DEFAULT_EXPERIMENT",
    "ENDED_AT",
    "FOLDER_TAG",
    "PRUNED",
    "Curve",
    "MlflowTracking",
    "ModelDescription",
    "NoTracking",
    "RunRecord",
    "RunStore",
    "StoredModel",
    "Tracker",
    "TrackingConfig",
    "browse_hint",
    "check_store",
    "check_tracking",
    "end_run",
    "redact_password",
    "run_context",
    "start_tracking_process",
    "tracking_uri",
]
