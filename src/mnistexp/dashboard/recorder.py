"""Recording a training, and what is kept of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mnistexp.dashboard.config import (
    DashboardConfig,
    LiveConfig,
    NoDashboard,
    RecordingConfig,
)
from mnistexp.dashboard.recording import Header, Moment, Writer
from mnistexp.dashboard.viewer_process import LiveViewerProcess, ViewerProcess
from mnistexp.train import QuantileSource, Snapshot, SnapshotRecorder

PICTURE = "training.png"
"""The six panels at the end."""


class Recorder(SnapshotRecorder):
    """Writes what it is shown. A disk that is full ends the recording, never the training."""

    def __init__(self, writer: Writer, quantile_source: QuantileSource) -> None:
        self.quantile_source = quantile_source
        self._writer: Writer | None = writer
        self._begin = time.perf_counter()

    def record(self, snapshot: Snapshot) -> None:
        """Append a moment."""
        if self._writer is None:
            return
        try:
            self._writer.write(Moment(snapshot, time.perf_counter() - self._begin))
        except OSError as error:
            self._give_up(error)

    def close(self, ending: str) -> None:
        """Append how the training ended."""
        if self._writer is None:
            return
        try:
            self._writer.close(ending)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        assert self._writer is not None
        self._writer.abandon()
        self._writer = None
        print(f"dashboard: recording stopped: {error.strerror}", flush=True)


@dataclass(frozen=True)
class RecordingHandle:
    """What watches a training.

    recorder: None where nothing is recorded. file: the recording. audience: the view of it.
    """

    recorder: Recorder | None = None
    file: Path | None = None
    audience: ViewerProcess = field(default_factory=ViewerProcess)


@contextmanager
def recorded(
    config: DashboardConfig, file: Path, header: Header, keep: Callable[[Path], None]
) -> Iterator[RecordingHandle]:
    """What watches a training while this lasts.

    Args:
        config: whether it is recorded and shown.
        file: the recording, in an existing folder.
        header: what it is of.
        keep: stores a file with the run. It gets the recording, and the six panels as they were
            in the end, however that came.
    """
    if isinstance(config, NoDashboard):
        yield RecordingHandle()
        return
    recorder = Recorder(Writer(file, header), config.quantiles)
    audience = (
        LiveViewerProcess(config, file) if isinstance(config, LiveConfig) else ViewerProcess()
    )
    try:
        yield RecordingHandle(recorder, file, audience)
    except BaseException as error:
        recorder.close(str(error) or type(error).__name__)
        audience.leave()
        with suppress(Exception):  # What has ended the training is what counts.
            _keep(file, keep)
        raise
    recorder.close("finished")
    _keep(file, keep)


def without_view(config: DashboardConfig) -> DashboardConfig:
    """As `record`, where many runs would open a view each."""
    if isinstance(config, LiveConfig):
        return RecordingConfig(type="record", quantiles=config.quantiles)
    return config


def _keep(file: Path, keep: Callable[[Path], None]) -> None:
    from mnistexp.dashboard.recorded_run import RecordedRun, save_picture

    keep(file)
    film = RecordedRun(file)
    if film.recording.moments:
        picture = file.with_name(PICTURE)
        save_picture(film, picture)
        keep(picture)
