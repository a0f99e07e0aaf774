"""One viewer: a film, where it stands, and what is looked at, put on a figure."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mnistexp.dashboard.panels import Panels
from mnistexp.dashboard.player import Player
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.view import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAVED_DPI = 200
WAIT_SECONDS = 0.1
"""Between two looks for something new: ten pictures a second at most."""
LIVE_SECONDS = 0.4
"""Between two pictures while it trains, so that drawing takes a quarter of a core at most."""


class ViewerSession:
    """What a window or a page shows; it is drawn anew only if something has changed."""

    def __init__(self, figure: "Figure", film: RecordedRun, speed: float | None) -> None:
        self.view = View()
        self.panels = Panels(figure, film, self.view)
        self.index = -1
        self._film = film
        self._player = Player(film.recording, speed)
        self._shown: tuple[object, ...] = ()
        self._drawn = 0.0

    def tick(self) -> bool:
        """Go on with time, and put what is to be seen now on the figure; whether that is new."""
        self._film.recording.read_new()
        self.index = self._player.advance(self.view.paused)
        state = self._state()
        size = tuple(self.panels.figure.get_size_inches())
        now = (self.view.changes, size, self.index, state)
        if now == self._shown or (now[:2] == self._shown[:2] and self._is_early()):
            return False
        self._shown = now
        self._drawn = time.monotonic()
        self.panels.show(self.index, state)
        return True

    def press(self, key: str) -> None:
        """Do what a key is for."""
        if key == " " and self.is_over:
            self._player.restart()
        else:
            self.view.press(key)

    @property
    def is_over(self) -> bool:
        """Whether the training has ended and its last moment is shown."""
        return self._player.is_at_end

    @property
    def step(self) -> int | None:
        """The step that is shown."""
        moments = self._film.recording.moments
        return moments[self.index].snapshot.step if self.index >= 0 else None

    @property
    def file_name(self) -> str:
        """For a picture of what is shown: `lab.3_0_conv-s0-step-200.png`."""
        return f"{self._film.recording.header.name}-step-{self.step or 0}.png"

    def save(self, folder: Path) -> None:
        """Write the picture into a folder, and tell so."""
        file = folder / self.file_name
        try:
            self.panels.figure.savefig(file, dpi=SAVED_DPI)
        except OSError as error:
            self.view.say(f"not saved: {error.strerror}")
        else:
            self.view.say(f"saved: {file}")

    def _is_early(self) -> bool:
        is_running = self._film.recording.is_running
        return is_running and time.monotonic() - self._drawn < LIVE_SECONDS

    def _state(self) -> str:
        """The line at the bottom."""
        recording, player = self._film.recording, self._player
        parts = ["? shows the keys"]
        if self.view.zooming:
            parts.append("draw a box to zoom in")
        if self.view.paused:
            parts.append("paused")
        elif player.is_at_end:
            parts.append(_ending(recording.ending, recording.fault))
        elif player.speed is None:
            parts.append("training")
        else:
            parts.append(f"played at {player.speed:.3g} times its speed")
        if player.skipped and not (self.view.paused or player.is_at_end):
            parts.append(f"1 of {player.skipped + 1} moments is shown")
        return "  ·  ".join(parts)


def _ending(ending: str | None, fault: str) -> str:
    if ending is None:
        return f"the recording ends here: {fault}"
    return "the training has ended" if ending == "finished" else f"the training has ended: {ending}"
