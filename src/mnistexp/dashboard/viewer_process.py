"""The view that opens by itself: a process of its own, so that it cannot touch the training."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from mnistexp.dashboard.config import LiveConfig

PATIENCE_SECONDS = 5.0
"""So long a view may take to show the end."""


class ViewerProcess:
    """The view of a run; this one is none."""

    def leave(self) -> None:
        """The training has failed: close the view."""

    def stay(self) -> None:
        """The training is over: wait until the view is closed, as far as that is wanted."""


class LiveViewerProcess(ViewerProcess):
    """A view in a process of its own."""

    def __init__(self, config: LiveConfig, file: Path) -> None:
        options = [] if config.hold else ["--until-end"]
        options += ["--web"] if config.web else []
        options += ["--port", str(config.port)] if config.port else []
        self._hold = config.hold
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mnistexp", "watch", str(file), *options],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the training, which then closes the view.
        )

    def leave(self) -> None:
        """Close the view."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_SECONDS)

    def stay(self) -> None:
        """Wait until the view has shown the end, or, if it is held, until it is closed."""
        try:
            if self._hold and self._process.poll() is None:
                print("The view stays open until it is closed or Ctrl-C is pressed.", flush=True)
            self._process.wait(None if self._hold else PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.leave()
        except KeyboardInterrupt:
            self.leave()
