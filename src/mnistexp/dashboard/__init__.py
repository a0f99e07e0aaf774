"""The recording of a training, and its view: six panels in a window, on a page or as a movie."""

from mnistexp.dashboard.config import DashboardConfig, LiveConfig, NoDashboard, RecordingConfig
from mnistexp.dashboard.find import ARTIFACT_FOLDER, RECORDING_TAG
from mnistexp.dashboard.live import Audience
from mnistexp.dashboard.recorder import Watched, recorded, without_view
from mnistexp.dashboard.recording import RECORDING_NAME, Header
from mnistexp.dashboard.watch import watch

__all__ = [
    "ARTIFACT_FOLDER",
    "RECORDING_NAME",
    "RECORDING_TAG",
    "Audience",
    "DashboardConfig",
    "Header",
    "LiveConfig",
    "NoDashboard",
    "RecordingConfig",
    "Watched",
    "recorded",
    "watch",
    "without_view",
]
