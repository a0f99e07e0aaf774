"""Watching a run: where its recording is, and with what it is shown."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mnistexp.dashboard.find_recording import find_recording
from mnistexp.dashboard.recorded_run import DPI, SIZE_INCHES, RecordedRun
from mnistexp.errors import RecordingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Recorded(Protocol):
    """What knows its recording: the result of a run."""

    @property
    def recording(self) -> Path | None:
        """The file; None if the run was not recorded."""


def watch(
    run: "str | os.PathLike[str] | Recorded | None" = None, uri: str | None = None
) -> "Figure":
    """The six panels as they are now, or were at the end, as a figure that a notebook shows.

    Args:
        run: the result of a run, the id or the name of one, its folder, or a recording. Default:
            the newest recording of the working folder.
        uri: of the store. Default: MLFLOW_TRACKING_URI, else mlflow.db here.

    Raises:
        RecordingError: there is no such run, it was not recorded, or nothing is recorded yet.
    """
    from mnistexp.dashboard.notebook import Picture
    from mnistexp.dashboard.panels import Panels

    film = RecordedRun(_file_of(run, uri))
    figure = Picture(figsize=SIZE_INCHES, dpi=DPI)
    index = len(film.recording.moments) - 1
    if index < 0:
        raise RecordingError(f"{film.recording.file}: there is no moment in it yet")
    Panels(figure, film).show(index, film.recording.fault)
    return figure


def open_view(
    film: RecordedRun, speed: float | None, *, web: bool, port: int | None, until_end: bool
) -> None:
    """Show a film in a window where there is a display, else on a page, until it is closed."""
    from mnistexp.dashboard.server import serve
    from mnistexp.dashboard.window import has_display, show_window

    if film.recording.is_running:
        os.nice(10)  # Drawing never takes a core from the training.
    if not web and has_display() and show_window(film, speed, until_end=until_end):
        return
    serve(film, speed, port, until_end=until_end)


def _file_of(run: "str | os.PathLike[str] | Recorded | None", uri: str | None) -> Path:
    if run is None or isinstance(run, str | os.PathLike):
        return find_recording(None if run is None else os.fspath(run), uri)
    if run.recording is None:
        raise RecordingError("this run was not recorded: run it with dashboard=record")
    return run.recording
