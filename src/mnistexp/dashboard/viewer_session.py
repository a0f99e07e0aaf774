"""The state of one viewer of a recorded run: its frame, its view, and its keys.

Imports matplotlib, so it is imported where it is used.
"""

import re
import time
from bisect import bisect_right
from collections.abc import Callable

from mnistexp.dashboard.figure import PANELS, DashboardFigure, Point, View
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Recording

MAX_REPLAY_SECONDS = 30.0
"""Length of a replay at the default speed, at most."""
LIVE_INTERVAL_SECONDS = 0.4
"""Minimum time between two pictures during the training: drawing takes at most a quarter of a
core."""

LAYOUTS = {
    **{str(number + 1): (panel,) for number, panel in enumerate(PANELS)},
    "7": ("accuracy", "loss"),
    "8": ("first_quantiles", "second_quantiles"),
    "9": ("batch", "test"),
    "0": PANELS,
}
"""The visible panels, by key."""


class Player:
    """The position in a recording.

    During the training it is always the newest frame. A finished training is replayed from its
    start, and the position then stays at the end.
    """

    def __init__(
        self,
        recording: Recording,
        speed: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start at the first frame, or follow a training that runs.

        Args:
            speed: of the replay, as a multiple of the training's speed. Default: 1, or the speed
                of a replay of 30 seconds.
            clock: returns the time in seconds.
        """
        self.recording = recording
        self.num_skipped = 0
        self._clock = clock
        self._is_live = recording.is_running
        self._speed = speed or _default_speed(recording)
        self._played_seconds = 0.0
        self._last_time: float | None = clock()  # None during a pause.
        self._index = -1

    @property
    def speed(self) -> float | None:
        """Speed of the replay as a multiple of the training's speed; None during the training."""
        return None if self._is_live else self._speed

    @property
    def is_at_end(self) -> bool:
        """Whether the last frame of a training that has ended is reached."""
        return not self.recording.is_running and self._index == len(self.recording.frames) - 1

    def advance(self, paused: bool) -> int:
        """Move to the frame for the current time, and count the skipped frames in `num_skipped`.

        Returns:
            The index of the frame to show, -1 before the first one.
        """
        if paused:
            self._last_time = None
            return self._index
        now = self._clock()
        self._played_seconds += now - self._last_time if self._last_time is not None else 0.0
        self._last_time = now
        index = self._find_index()
        self.num_skipped = max(0, index - self._index - 1)
        self._index = index
        return index

    def restart(self) -> None:
        """Replay from the start."""
        self._is_live, self._played_seconds, self._index = False, 0.0, -1
        self._last_time = self._clock()

    def _find_index(self) -> int:
        frames = self.recording.frames
        if self._is_live:
            return len(frames) - 1
        seconds = self._played_seconds * self._speed + (frames[0].seconds if frames else 0.0)
        return bisect_right(frames, seconds, key=lambda frame: frame.seconds) - 1


class ViewerSession:
    """The figure of one viewer. It is drawn again only if something has changed."""

    def __init__(self, recorded_run: RecordedRun, speed: float | None = None) -> None:
        self.figure = DashboardFigure(recorded_run)
        self.view = View()
        self.is_paused = False
        self._index = -1
        self._recording = recorded_run.recording
        self._player = Player(self._recording, speed)
        self._num_inputs = 0
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = 0.0

    @property
    def is_at_end(self) -> bool:
        """Whether the training has ended and its last frame is shown."""
        return self._player.is_at_end

    @property
    def step(self) -> int | None:
        """The step that is shown."""
        return self._recording.frames[self._index].snapshot.step if self._index >= 0 else None

    @property
    def file_name(self) -> str:
        """File name for a picture of what is shown: `lab.3_0_conv-s0-step-200.png`."""
        # The name may be that of someone else's recording, and it becomes part of an HTTP header.
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', self.name)}-step-{self.step or 0}.png"

    @property
    def status(self) -> str:
        """Whether the training runs, is replayed or has ended, and how many frames are skipped."""
        if self.is_paused:
            return "paused"
        if self.is_at_end:
            return describe_ending(self._recording)
        speed, num_skipped = self._player.speed, self._player.num_skipped
        status = f"replay at {speed:.3g} × the training speed" if speed else "training"
        return f"{status}, 1 of {num_skipped + 1} frames is shown" if num_skipped else status

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._recording.header.name

    @property
    def layout(self) -> str:
        """The key that selects the visible panels."""
        return next(key for key, panels in LAYOUTS.items() if panels == self.view.panels)

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the panels that are shown; empty before the first frame."""
        return self.figure.titles(self._index) if self._index >= 0 else {}

    def update(self) -> bool:
        """Read new frames and draw the present state. Return whether the figure has changed."""
        self._recording.read_new()
        self._index = self._player.advance(self.is_paused)
        status = self.status
        settings = (self._num_inputs, *self.figure.get_size_inches(), self.figure.dpi)
        state = (settings, self._index, status)
        if state == self._drawn or (self._drawn[:1] == (settings,) and self._is_too_early()):
            return False
        self._drawn = state
        self._drawn_at = time.monotonic()
        self.figure.draw_frame(self._index, self.view)
        return True

    def press(self, key: str) -> None:
        """Change the view or the position as the page's help says. Other keys do nothing.

        Args:
            key: its name in browsers.
        """
        self._num_inputs += 1
        if key in LAYOUTS:
            self.view.panels = LAYOUTS[key]
        elif key == " " and self.is_at_end:
            self._player.restart()
        elif key == " ":
            self.is_paused = not self.is_paused
        elif key == "h":
            self.view.zoom.clear()

    def zoom(self, start: Point, end: Point) -> None:
        """Zoom a panel into the box between two corners."""
        found = self.figure.box_between(start, end)
        if found is not None:
            panel, self.view.zoom[panel] = found
            self._num_inputs += 1

    def _is_too_early(self) -> bool:
        return (
            self._recording.is_running and time.monotonic() - self._drawn_at < LIVE_INTERVAL_SECONDS
        )


def describe_ending(recording: Recording) -> str:
    """Return how the training ended, or why the recording is incomplete."""
    if recording.ending is None:
        return f"the recording ends here: {recording.fault}"
    reason = "" if recording.ending == "finished" else f": {recording.ending}"
    return f"the training has ended{reason}"


def _default_speed(recording: Recording) -> float:
    frames = recording.frames
    seconds = frames[-1].seconds - frames[0].seconds if frames else 0.0
    return max(1.0, seconds / MAX_REPLAY_SECONDS)
