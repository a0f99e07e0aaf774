"""Send journals that no process sends any more: those of offline runs, and after failures."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mnistexp.errors import TrackingError
from mnistexp.tracking.journal import (
    close_abandoned,
    find_journals,
    find_unsent,
    has_writer,
    locked_for_sending,
    remove_journal,
)
from mnistexp.tracking.journal_sender import (
    JournalSender,
    StoreConnection,
    StoreUnavailable,
    read_start,
)
from mnistexp.tracking.orphaned_runs import ORPHANED_REASON
from mnistexp.tracking.store import check_store, redact_password, tracking_uri

RUNS = Path("runs")
"""Where the folders of runs are, in the working folder."""
RETRY_SECONDS = (0.5, 2.0)
"""Waiting times before a failed request is repeated."""


@dataclass(frozen=True)
class SyncResult:
    """Whether a journal was sent as a whole. Prints as a line."""

    was_sent: bool
    message: str

    def __str__(self) -> str:
        """Return the line."""
        return self.message


def sync_journal(folder: Path, uri: str | None = None) -> SyncResult:
    """Send what is still in a journal, and remove the journal when all is sent.

    A run whose process has ended without closing it becomes KILLED.

    Args:
        uri: the address of the store. Default: that of the journal.
    """
    try:
        if has_writer(folder):
            return SyncResult(False, "not sent: the run has not ended yet")
        with locked_for_sending(folder):
            close_abandoned(folder, ORPHANED_REASON)
            sender = JournalSender(folder, _connect(folder, uri))
            _send_with_retries(sender)
    except (TrackingError, StoreUnavailable) as error:
        return SyncResult(False, f"not sent: {error}")
    remove_journal(folder)
    return SyncResult(True, f"sent: {sender.start['name']}, id {sender.state.run_id}")


def find_journals_by_start(folders: Iterable[Path]) -> list[Path]:
    """Return the journals below folders, a sweep before its jobs, which refer to it in the store.

    Damaged journals are the last ones.
    """
    journals = [journal for folder in folders for journal in find_journals(folder)]

    def start_time(journal: Path) -> float:
        try:
            return float(read_start(journal)["time"])
        except TrackingError:
            return math.inf

    return sorted(journals, key=start_time)


def describe_unsent(folder: Path = RUNS) -> str:
    """Return a line that says how many runs below a folder must be sent; empty if none."""
    num_unsent = len(find_unsent(folder))
    if not num_unsent:
        return ""
    runs = "1 run is" if num_unsent == 1 else f"{num_unsent} runs are"
    return (
        f"{runs} not in the store yet: mnistexp sync sends the runs that are recorded in {folder}/"
    )


def _connect(folder: Path, uri: str | None) -> StoreConnection:
    """Connect to the store of a journal. Its address there has no password; that of `uri` may."""
    start = read_start(folder)
    default = tracking_uri()
    chosen = tracking_uri(uri) if uri else start["uri"]
    if redact_password(default) == chosen:
        chosen = default
    check_store(chosen)
    return StoreConnection(chosen, start["experiment"])


def _send_with_retries(sender: JournalSender) -> None:
    for wait in RETRY_SECONDS:
        try:
            sender.send_new()
        except StoreUnavailable:
            time.sleep(wait)
        else:
            return
    sender.send_new()
