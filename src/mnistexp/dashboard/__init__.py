"""The recording of a training, and its view: six panels in a window, on a page or as a movie."""

from mnistexp.dashboard.config import DashboardConfig, LiveConfig, NoDashboard, RecordingConfig
from mnistexp.dashboard.recorder import RecordingHandle, recorded, without_view
from mnistexp.dashboard.recording import (
    ARTIFACT_FOLDER,
    RECORDING_NAME,
    RECORDING_TAG,
    Header,
)
from mnistexp.dashboard.viewer_process import ViewerProcess
from mnistexp.dashboard.watch import draw_recording

__all__ = [
    "ARTIFACT_FOLDER",
    "RECORDING_NAME",
    "RECORDING_TAG",
    "DashboardConfig",
    "Header",
    "LiveConfig",
    "NoDashboard",
    "RecordingConfig",
    "RecordingHandle",
    "ViewerProcess",
    "draw_recording",
    "recorded",
    "without_view",
]
