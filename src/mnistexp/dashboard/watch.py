"""Watching a run: where its recording is, and with what it is shown."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mnistexp.dashboard.recorded_run import DPI, SIZE_INCHES, RecordedRun
from mnistexp.errors import RecordingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_recording(file: Path) -> "Figure":
    """Draw the six panels of the last recorded moment, as a figure that a notebook shows.

    Raises:
        RecordingError: the file cannot be read, or nothing is recorded yet.
    """
    from mnistexp.dashboard.notebook import Picture
    from mnistexp.dashboard.panels import Panels

    film = RecordedRun(file)
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
