"""The tracking process: it sends the journals of the process that started it, while they grow.

It imports MLflow while that process imports TensorFlow, and goes on after a failure of the store.
Its standard input has a line of JSON for each new journal. Its standard output has a line whenever
the state of a journal changes. When the input ends, the process that started it has ended: then it
sends what is left, and closes runs that were not closed.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from mnistexp.errors import MnistexpError, TrackingError
from mnistexp.tracking.journal import (
    close_abandoned,
    has_writer,
    locked_for_sending,
    remove_journal,
)
from mnistexp.tracking.journal_sender import (
    JournalSender,
    StoreConnection,
    StoreUnavailable,
    first_line,
)
from mnistexp.tracking.orphaned_runs import ORPHANED_REASON
from mnistexp.tracking.run_figures import import_drawing
from mnistexp.tracking.sender_messages import SendReport, SendRequest

SEND_SECONDS = 1.0
"""Time between two looks at the journals."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Waiting times after failures in sequence; the last one is repeated."""
PATIENCE_SECONDS = 60.0
"""How long a failing store is tried after the end of the process that writes the journals."""


class SenderProcess:
    """Sends all requested journals until the input has ended and all are sent."""

    def __init__(self, requests: TextIO, reports: TextIO) -> None:
        self._reports = reports
        self._requests: queue.SimpleQueue[SendRequest | None] = queue.SimpleQueue()
        self._sendings: dict[str, _Sending] = {}
        self._stores: dict[tuple[str, str], StoreConnection] = {}
        self._input_ended_at: float | None = None
        self._is_ready_to_draw = False
        threading.Thread(target=self._read_requests, args=[requests], daemon=True).start()

    def run(self) -> None:
        """Send until there is nothing left to do."""
        while self._input_ended_at is None or self._sendings:
            self._receive()
            for sending in list(self._sendings.values()):
                self._continue(sending, sending.sender.send_records)
            # One figure at a time, because a new run waits for its id.
            drawing = next((s for s in self._sendings.values() if s.can_draw), None)
            if drawing is not None:
                self._continue(drawing, drawing.sender.send_next_figure)
            if self._sendings and not self._is_ready_to_draw:
                # While the first run trains. Its start must not wait for that.
                import_drawing()
                self._is_ready_to_draw = True

    def _read_requests(self, requests: TextIO) -> None:
        for line in requests:
            self._requests.put(SendRequest(**json.loads(line)))
        self._requests.put(None)

    def _receive(self) -> None:
        """Wait for a request, but not longer than until the next look at the journals."""
        has_work = any(sending.can_draw for sending in self._sendings.values())
        try:
            request = self._requests.get(timeout=0 if has_work else SEND_SECONDS)
        except queue.Empty:
            return
        if request is None:
            self._input_ended_at = time.monotonic()
        elif request.folder not in self._sendings:
            self._add(request)

    def _add(self, request: SendRequest) -> None:
        os.chdir(request.working_folder)  # MLflow creates the folder of artifacts there.
        key = (request.uri, request.experiment)
        store = self._stores.setdefault(key, StoreConnection(*key))
        if not request.folder:
            with suppress(Exception):  # The first journal reports it.
                store.open_existing()
            return
        try:
            self._sendings[request.folder] = _Sending(request, store)
        except FileNotFoundError:
            pass  # The end of the run was sent, and the journal removed, before this request.
        except (TrackingError, OSError) as error:
            self._report(SendReport(request.folder, problem=str(error), is_refused=True))

    def _continue(self, sending: "_Sending", send: Callable[[], object]) -> None:
        if self._input_ended_at is not None:
            sending.close_abandoned()
        report = sending.try_to(send)
        if report is not None:
            self._report(report)
        if sending.report.has_ended or sending.report.is_refused or self._gives_up(sending):
            sending.close()
            del self._sendings[sending.report.folder]

    def _gives_up(self, sending: "_Sending") -> bool:
        ended_at = self._input_ended_at
        is_late = ended_at is not None and time.monotonic() > ended_at + PATIENCE_SECONDS
        return is_late and bool(sending.report.problem)

    def _report(self, report: SendReport) -> None:
        with suppress(OSError):  # The reader has ended. The end of the input says so, too.
            print(json.dumps(asdict(report)), file=self._reports, flush=True)


class _Sending:
    """A journal that is being sent by `sender`, and the report about it."""

    def __init__(self, request: SendRequest, store: StoreConnection) -> None:
        self.report = SendReport(request.folder)
        self._folder = Path(request.folder)
        self._open = ExitStack()
        self._open.enter_context(locked_for_sending(self._folder))
        self.sender = JournalSender(self._folder, store)
        self._num_failures = 0
        self._next_try = 0.0

    @property
    def can_draw(self) -> bool:
        """Whether there are figures to draw, and it is not the time to wait after a failure."""
        return bool(self.sender.state.figures) and time.monotonic() >= self._next_try

    def try_to(self, send: Callable[[], object]) -> SendReport | None:
        """Call a method of the sender. Return a report if anything has changed."""
        if time.monotonic() < self._next_try:
            return None
        problem, is_refused = "", False
        try:
            send()
            self._num_failures = 0
        except StoreUnavailable as error:
            problem = str(error)
            wait = RETRY_SECONDS[min(self._num_failures, len(RETRY_SECONDS) - 1)]
            self._next_try = time.monotonic() + wait
            self._num_failures += 1
        except MnistexpError as error:
            problem, is_refused = str(error), True
        # A defect must not leave the other process waiting.
        except Exception as error:
            problem, is_refused = f"{type(error).__name__}: {first_line(error)}", True
        if self.sender.has_ended:
            remove_journal(self._folder)
        report = self._describe(problem, is_refused)
        if report == self.report:
            return None
        self.report = report
        return report

    def close_abandoned(self) -> None:
        """Close the run if the process that wrote it has ended without closing it."""
        with suppress(OSError, TrackingError):  # Nothing can be written: send what is there.
            if not has_writer(self._folder):
                close_abandoned(self._folder, ORPHANED_REASON)

    def close(self) -> None:
        """Let other processes send the journal."""
        self._open.close()

    def _describe(self, problem: str, is_refused: bool) -> SendReport:
        state = self.sender.state
        return SendReport(
            folder=str(self._folder),
            run_id=state.run_id,
            experiment_id=state.experiment_id,
            position=state.position,
            has_ended=self.sender.has_ended,
            problem=problem,
            is_refused=is_refused,
        )


def main() -> None:
    """Run as the tracking process of the process at the other end of the pipes."""
    # Ctrl-C ends the training, whose end must still be sent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = SenderProcess(sys.stdin, _take_standard_output())
    import_mlflow()
    process.run()


def _take_standard_output() -> TextIO:
    """Return the standard output. What others print from now on is discarded.

    With a server, MLflow prints a line about each run that ends, with the password of the address.
    """
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), sys.stdout.fileno())
    return reports


def import_mlflow() -> Any:
    """Import MLflow without its log messages."""
    import logging

    import mlflow

    # MLflow logs a traceback for each database error. A report has the error in one line.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    return mlflow
