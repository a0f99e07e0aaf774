"""A window on the desktop, by whichever toolkit matplotlib finds."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistexp.dashboard.recorded_run import DPI, SIZE_INCHES, RecordedRun
from mnistexp.dashboard.viewer_session import WAIT_SECONDS, ViewerSession

if TYPE_CHECKING:
    from matplotlib.backend_bases import KeyEvent, MouseEvent


def has_display() -> bool:
    """Whether a window could be opened."""
    wanted = ("DISPLAY", "WAYLAND_DISPLAY") if sys.platform.startswith("linux") else ("HOME",)
    return any(os.environ.get(name) for name in wanted)


def show_window(film: RecordedRun, speed: float | None, *, until_end: bool) -> bool:
    """Open a window and wait until it is closed; False where there is no toolkit for one.

    Args:
        until_end: it closes by itself when the training has ended.
    """
    import matplotlib
    from matplotlib import pyplot

    for name in [name for name in matplotlib.rcParams if name.startswith("keymap.")]:
        matplotlib.rcParams[name] = []  # Our keys, and no others.
    matplotlib.rcParams["toolbar"] = "None"
    try:
        figure = pyplot.figure(film.recording.header.name, figsize=SIZE_INCHES, dpi=DPI)
    except Exception:  # Every toolkit has its own way to fail.
        return False
    if getattr(figure.canvas, "required_interactive_framework", None) is None:
        pyplot.close(figure)
        return False
    Window(ViewerSession(figure, film, speed), until_end).open()
    return True


class Window:
    """Keys, the mouse and the time, led to a show."""

    def __init__(self, show: ViewerSession, until_end: bool) -> None:
        from matplotlib.patches import Rectangle
        from matplotlib.transforms import IdentityTransform

        self._show = show
        self._until_end = until_end
        self._canvas = show.panels.figure.canvas
        self._start: tuple[float, float] | None = None
        self._box = Rectangle((0, 0), 0, 0, fill=False, visible=False, zorder=20)
        self._box.set_transform(IdentityTransform())
        show.panels.figure.add_artist(self._box)
        self._canvas.mpl_connect("key_press_event", self._on_key)
        self._canvas.mpl_connect("button_press_event", self._on_press)
        self._canvas.mpl_connect("motion_notify_event", self._on_move)
        self._canvas.mpl_connect("button_release_event", self._on_release)

    def open(self) -> None:
        """Show it until it is closed."""
        from matplotlib import pyplot

        self._timer = self._canvas.new_timer(int(1000 * WAIT_SECONDS))
        self._timer.add_callback(self.refresh)
        self._timer.start()
        pyplot.show(block=True)

    def refresh(self) -> None:
        """Draw what is new."""
        if self._show.view.saving:
            self._show.view.saving = False
            self._show.save(Path.cwd())
        if self._show.tick():
            self._canvas.draw_idle()
        elif self._until_end and self._show.is_over:
            self._close()

    def _close(self) -> None:
        from matplotlib import pyplot

        self._timer.stop()
        pyplot.close(self._show.panels.figure)

    def _on_key(self, event: "KeyEvent") -> Any:
        if event.key is not None:
            self._show.press(event.key)
            self.refresh()

    def _on_press(self, event: "MouseEvent") -> Any:
        self._start = (event.x, event.y) if self._show.view.zooming else None

    def _on_move(self, event: "MouseEvent") -> Any:
        if self._start is not None:
            self._box.set_bounds(*self._start, event.x - self._start[0], event.y - self._start[1])
            self._box.set_visible(True)
            self._canvas.draw_idle()

    def _on_release(self, event: "MouseEvent") -> Any:
        if self._start is not None:
            self._box.set_visible(False)
            self._show.panels.zoom(self._start, (event.x, event.y))
            self._start = None
            self.refresh()
            self._canvas.draw_idle()
