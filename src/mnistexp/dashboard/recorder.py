"""Record a training, and open a viewer for it if `dashboard=live`."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mnistexp.dashboard.config import (
    DashboardConfig,
    LiveConfig,
    NoDashboardConfig,
    RecordingConfig,
)
from mnistexp.dashboard.recording import ContinuedRecording, Frame, Header, RecordingWriter
from mnistexp.train import QuantileSource, Snapshot, SnapshotRecorder

PICTURE_NAME = "training.png"
"""File name of a picture of the six panels at the end of the training."""
VIEWER_TIMEOUT_SECONDS = 5.0
"""Time for a viewer to show the end of the training before it is stopped."""


class Recorder(SnapshotRecorder):
    """Writes snapshots to a recording. A write error stops the recording, not the training."""

    def __init__(
        self, writer: RecordingWriter, quantile_source: QuantileSource, seconds: float = 0.0
    ) -> None:
        """Args: seconds: time of the training before the recorder begins."""
        self.quantile_source = quantile_source
        self._writer: RecordingWriter | None = writer
        self._start = time.perf_counter() - seconds

    def record(self, snapshot: Snapshot) -> None:
        """Append a frame to the recording."""
        seconds = time.perf_counter() - self._start
        self._try(lambda writer: writer.write(Frame(snapshot, seconds)))

    def close(self, ending: str) -> None:
        """Append how the training ended, `finished` or the reason, and close the recording."""
        self._try(lambda writer: writer.close(ending))
        self._writer = None

    def _try(self, write: Callable[[RecordingWriter], None]) -> None:
        if self._writer is None:
            return
        try:
            write(self._writer)
        except OSError as error:
            self._writer.abandon()
            self._writer = None
            print(f"dashboard: the recording stopped: {error.strerror}", flush=True)


class ViewerProcess:
    """The viewer that opens for a training. This base class does nothing: there is no viewer."""

    def terminate(self) -> None:
        """Close the viewer at once, because the training has failed."""

    def wait(self) -> None:
        """Wait until the viewer has shown the end of the training."""


class LiveViewerProcess(ViewerProcess):
    """A viewer in a process of its own, so that it cannot disturb the training."""

    def __init__(self, config: LiveConfig, file: Path) -> None:
        options = [] if config.hold else ["--until-end"]
        options += [] if config.open_browser else ["--no-browser"]
        options += ["--port", str(config.port)] if config.port else []
        self._hold = config.hold
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mnistexp", "watch", str(file), *options],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the training, which then closes the viewer.
        )

    def terminate(self) -> None:
        """Close the viewer."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(VIEWER_TIMEOUT_SECONDS)

    def wait(self) -> None:
        """Wait until the viewer has shown the end. With `hold`, wait until Ctrl-C is pressed."""
        try:
            if self._hold and self._process.poll() is None:
                print("The viewer stays open until Ctrl-C is pressed.", flush=True)
            self._process.wait(None if self._hold else VIEWER_TIMEOUT_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.terminate()


@dataclass(frozen=True)
class RecordingHandle:
    """The recorder, the file and the viewer of a training that runs.

    recorder: receives the snapshots; None if nothing is recorded. file: path of the recording;
    None if nothing is recorded. viewer: shows the recording.
    """

    recorder: Recorder | None = None
    file: Path | None = None
    viewer: ViewerProcess = field(default_factory=ViewerProcess)


@contextmanager
def record_training(
    config: DashboardConfig,
    file: Path,
    header: Header,
    log_file: Callable[[Path], None],
    continued: ContinuedRecording | None = None,
) -> Iterator[RecordingHandle]:
    """Record the training that runs inside this context.

    Args:
        config: whether the training is recorded and shown.
        file: path of the recording, in an existing folder.
        header: describes the training.
        log_file: stores a file with the run. It receives the recording and a picture of the six
            panels at the end, also if the training has failed.
        continued: the recording whose frames come first.
    """
    if isinstance(config, NoDashboardConfig):
        yield RecordingHandle()
        return
    frames = continued.read_frames() if continued is not None else []
    seconds = continued.seconds if continued is not None else 0.0
    recorder = Recorder(RecordingWriter(file, header, frames), config.quantiles, seconds)
    viewer = LiveViewerProcess(config, file) if isinstance(config, LiveConfig) else ViewerProcess()
    try:
        yield RecordingHandle(recorder, file, viewer)
    except BaseException as error:
        recorder.close(str(error) or type(error).__name__)
        viewer.terminate()
        with suppress(Exception):  # The error that ended the training is the one to report.
            _log_files(file, log_file)
        raise
    recorder.close("finished")
    _log_files(file, log_file)


def without_viewer(config: DashboardConfig) -> DashboardConfig:
    """Return `live` settings as `record`: in a sweep each run would open a viewer."""
    if isinstance(config, LiveConfig):
        return RecordingConfig(type="record", quantiles=config.quantiles)
    return config


def _log_files(file: Path, log_file: Callable[[Path], None]) -> None:
    from mnistexp.dashboard.export import save_picture
    from mnistexp.dashboard.recorded_run import RecordedRun

    log_file(file)
    recorded_run = RecordedRun(file)
    if recorded_run.recording.frames:
        picture = file.with_name(PICTURE_NAME)
        save_picture(recorded_run, picture)
        log_file(picture)
