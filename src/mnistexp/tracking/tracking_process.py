"""Start the tracking process, hand journals to it, and wait until it has sent them."""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from mnistexp.tracking.config import MlflowTracking, TrackingConfig
from mnistexp.tracking.sender_messages import SendReport, SendRequest
from mnistexp.tracking.store import tracking_uri

START_SECONDS = 60.0
"""How long a run waits for its id at the start. Importing MLflow takes 3 seconds or, on a busy
computer, far longer."""
GIVE_UP_SECONDS = 10.0
"""How long the end of a run waits for a store that fails."""
STALL_SECONDS = 60.0
"""How long it waits without any report."""


class TrackingProcess:
    """The tracking process of this process. See `mnistexp.tracking.sender_process`."""

    def __init__(self) -> None:
        """Start the process."""
        self._changed = threading.Condition()
        self._reports: dict[Path, SendReport] = {}
        self._configs: dict[Path, MlflowTracking] = {}
        self._open_runs: set[Path] = set()
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from mnistexp.tracking.sender_process import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C ends the training; its end is still sent.
        )
        self._last_report = time.monotonic()
        self._has_ended = False
        threading.Thread(target=self._read_reports, daemon=True).start()

    def restart_if_ended(self) -> None:
        """Start the process again if it was killed. It goes on with what is not sent."""
        if not self._has_ended:
            return
        self.kill()
        self._start()
        for folder, config in self._configs.items():
            report = self._reports[folder]
            if not report.has_ended and not report.is_refused:
                self._request(str(folder), config)

    @property
    def has_open_runs(self) -> bool:
        """Whether runs whose journals it sends have not ended."""
        return bool(self._open_runs)

    def has_other_open_runs(self, folder: Path) -> bool:
        """Whether another run than that of this journal has not ended, such as its sweep."""
        return bool(self._open_runs - {folder})

    def has_other_accepted_runs(self, folder: Path) -> bool:
        """Whether the store has taken such a run without a failure since."""
        reports = [self.report(other) for other in self._open_runs - {folder}]
        return any(report.run_id and not report.problem for report in reports)

    def end(self, folder: Path, config: MlflowTracking) -> None:
        """Note that the last record of a journal is written, and send it."""
        self._open_runs.discard(folder)
        self.send_now(folder, config)

    def send_now(self, folder: Path, config: MlflowTracking) -> None:
        """Send what a journal has, without waiting for the next look at it."""
        self._request(str(folder), config)

    def open_store(self, config: MlflowTracking) -> None:
        """Open the store, if it exists, before there is a journal to send."""
        self._request("", config)

    def send(self, folder: Path, config: MlflowTracking) -> None:
        """Begin to send a journal while it grows."""
        with self._changed:
            self._reports[folder] = SendReport(str(folder))
        self._configs[folder] = config
        self._open_runs.add(folder)
        self._request(str(folder), config)

    def _request(self, folder: str, config: MlflowTracking) -> None:
        uri = tracking_uri(config.uri)
        request = SendRequest(folder, uri, config.experiment, str(Path.cwd()))
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # It has ended, which `_wait` notices.
            print(json.dumps(asdict(request)), file=self._process.stdin, flush=True)

    def report(self, folder: Path) -> SendReport:
        """Return the latest report about a journal."""
        with self._changed:
            return self._reports[folder]

    def wait_for_first_report(self, folder: Path) -> SendReport:
        """Return the report that says whether the run is in the store."""
        self._wait(
            lambda: bool(self._reports[folder].run_id or self._reports[folder].problem),
            time.monotonic() + START_SECONDS,
        )
        return self.report(folder)

    def wait_until_sent(self, patience: float | None = None) -> list[SendReport]:
        """Wait until all ended runs are in the store.

        Args:
            patience: how long to wait for a store that fails, in seconds. Default: 10.

        Returns:
            The reports of the ended runs that are not in the store as a whole.
        """
        waiting = [folder for folder in self._reports if folder not in self._open_runs]
        begin = time.monotonic()
        limit = GIVE_UP_SECONDS if patience is None else patience
        failing_since: float | None = None

        def is_over() -> bool:
            nonlocal failing_since
            reports = [self._reports[folder] for folder in waiting]
            left = [report for report in reports if not report.has_ended and not report.is_refused]
            now = time.monotonic()
            if not any(report.problem for report in left):
                failing_since = None
            elif failing_since is None:
                failing_since = now
            is_failing = failing_since is not None and now >= failing_since + limit
            is_stalled = now > max(begin, self._last_report) + STALL_SECONDS
            return not left or is_failing or is_stalled

        self._wait(is_over)
        return [report for folder in waiting if not (report := self.report(folder)).has_ended]

    def kill(self) -> None:
        """End the process at once. What it has not sent stays in the journals."""
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def close(self) -> None:
        """End the process. If it has more to send, it goes on after the end of this process."""
        is_opening = (
            not self._reports
        )  # It may hold the lock of the database, and removes its file.
        if not is_opening and all(report.has_ended for report in self._reports.values()):
            self.kill()
        else:
            self._close_pipes()

    def _wait(self, condition: Callable[[], bool], deadline: float | None = None) -> None:
        """Wait until a condition on the reports is true, or the process has ended."""
        with self._changed:
            while not condition() and not self._has_ended:
                if deadline is not None and time.monotonic() > deadline:
                    return
                self._changed.wait(0.5)

    def _read_reports(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = SendReport(**json.loads(line))
            with self._changed:
                self._last_report = time.monotonic()
                if Path(report.folder) in self._reports:
                    self._reports[Path(report.folder)] = report
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()


_started: dict[int, TrackingProcess] = {}
"""The tracking process by the id of this process, which differs after a fork."""


def start_tracking_process(config: TrackingConfig) -> TrackingProcess | None:
    """Return the tracking process of this process, which is started if needed.

    Without tracking, or offline, there is none.
    """
    if not isinstance(config, MlflowTracking) or config.offline:
        return None
    process = _started.get(os.getpid())
    if process is None:
        process = _started[os.getpid()] = TrackingProcess()
        process.open_store(config)
    process.restart_if_ended()
    return process


def kill_tracking_process() -> None:
    """End the tracking process. The next run starts another one."""
    process = _started.pop(os.getpid(), None)
    if process is not None:
        process.kill()


@atexit.register
def _close_tracking_process() -> None:
    process = _started.pop(os.getpid(), None)
    if process is not None:
        process.close()
