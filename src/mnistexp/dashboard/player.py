"""Which moment of a recording is shown: the latest of a running one, or one after the other."""

import time
from bisect import bisect_right
from collections.abc import Callable

from mnistexp.dashboard.recording import Recording

LONGEST_SECONDS = 30.0
"""So long is played by default at most."""


class Player:
    """The position in a recording.

    A training that goes on is shown as it comes. One that is over is played from its start, and
    then stays at its end.
    """

    def __init__(
        self,
        recording: Recording,
        speed: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: speed: times as fast as it was trained. Default: 1, or what takes 30 seconds."""
        self.recording = recording
        self.skipped = 0
        self._clock = clock
        self._follows = recording.is_running
        self._speed = speed or _default_speed(recording)
        self._played = 0.0
        self._latest: float | None = clock()
        self._index = -1

    @property
    def speed(self) -> float | None:
        """Times as fast as it was trained; None where the training is followed."""
        return None if self._follows else self._speed

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more will come."""
        return not self.recording.is_running and self._index == len(self.recording.moments) - 1

    def advance(self, paused: bool) -> int:
        """The index of the moment to show, -1 before the first; `skipped` is what was left out."""
        if paused:
            self._latest = None
            return self._index
        now = self._clock()
        self._played += now - self._latest if self._latest is not None else 0.0
        self._latest = now
        index = self._position()
        self.skipped = max(0, index - self._index - 1)
        self._index = index
        return index

    def restart(self) -> None:
        """Play from the start."""
        self._follows, self._played, self._index = False, 0.0, -1
        self._latest = self._clock()

    def _position(self) -> int:
        moments = self.recording.moments
        if self._follows:
            return len(moments) - 1
        at = self._played * self._speed + (moments[0].seconds if moments else 0.0)
        return bisect_right(moments, at, key=lambda moment: moment.seconds) - 1


def _default_speed(recording: Recording) -> float:
    moments = recording.moments
    seconds = moments[-1].seconds - moments[0].seconds if moments else 0.0
    return max(1.0, seconds / LONGEST_SECONDS)
