"""Record a training, and show it in six panels: on a page, in a notebook, or as a movie."""

from mnistexp.dashboard.config import (
    DashboardConfig,
    LiveConfig,
    NoDashboardConfig,
    RecordingConfig,
)
from mnistexp.dashboard.recorder import (
    RecordingHandle,
    ViewerProcess,
    record_training,
    without_viewer,
)
from mnistexp.dashboard.recording import (
    ARTIFACT_FOLDER,
    RECORDING_NAME,
    RECORDING_TAG,
    ContinuedRecording,
    Header,
)

__all__ = [
    "ARTIFACT_FOLDER",
    "RECORDING_NAME",
    "RECORDING_TAG",
    "ContinuedRecording",
    "DashboardConfig",
    "Header",
    "LiveConfig",
    "NoDashboardConfig",
    "RecordingConfig",
    "RecordingHandle",
    "ViewerProcess",
    "record_training",
    "without_viewer",
]
