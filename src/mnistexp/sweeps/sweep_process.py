"""The process of a sweep: it runs a sweep once at a time, and its workers end with it."""

import hashlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from mnistexp.errors import InputError
from mnistexp.tracking import MlflowTracking, RunRecord, TrackingConfig, tracking_uri
from mnistexp.tracking.orphaned_runs import process_state

POLL_SECONDS = 1.0
"""Time between two checks whether the process of the sweep is alive."""
GRACE_SECONDS = 20.0
"""Time that a worker has to close its run."""


@contextmanager
def single_process(
    tracking: TrackingConfig, sweep_hash: str, previous: RunRecord | None
) -> Iterator[None]:
    """Let one process at a time run a sweep of a store, because it would do each job twice.

    Args:
        previous: the run of the same sweep, if there is one.

    Raises:
        InputError: another process of this computer runs it.
    """
    if not isinstance(tracking, MlflowTracking):
        yield
        return
    if previous is not None and _is_running_elsewhere(previous):
        process = previous.tags["process"]
        raise InputError(_refusal(f"process {process} runs it as {previous.run_id}"))
    # Its run may not be in the store yet. The system frees the name when the process ends.
    name = hashlib.sha256(f"{tracking_uri(tracking.uri)} {sweep_hash}".encode()).hexdigest()
    with socket.socket(socket.AF_UNIX) as lock:
        if sys.platform == "linux":
            try:
                lock.bind(f"\0mnistexp-{os.getuid()}-{name}")
            except OSError as error:
                raise InputError(_refusal("another process runs it")) from error
        yield


def _is_running_elsewhere(run: RunRecord) -> bool:
    is_alive = run.status == "RUNNING" and process_state(run.tags) == "alive"
    return is_alive and not run.tags["process"].endswith(f":{os.getpid()}")


def _refusal(received: str) -> str:
    return (
        f"expected that this sweep is not running. Received: {received}. Wait until it has "
        "ended: the same command then continues it"
    )


@cache
def end_with_sweep(process: tuple[tuple[str, str], ...]) -> None:
    """End this worker soon after the process of its sweep was killed.

    Without this, the workers of joblib live for minutes, and start the jobs that are queued.

    Args:
        process: items of the tags of the process of the sweep; see `process_tags`.
    """
    threading.Thread(target=_wait_and_end, args=[dict(process)], daemon=True).start()


def has_ended(process: Mapping[str, str]) -> bool:
    """Return whether the process of a sweep, on this computer, has ended."""
    return process_state(process) == "ended"


def _wait_and_end(process: Mapping[str, str]) -> None:
    while not has_ended(process):
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)  # It closes the run.
    time.sleep(GRACE_SECONDS)
    end_this_process()


def end_this_process() -> None:
    """End this process at once, without returning to the loop that starts the next job."""
    os.kill(os.getpid(), signal.SIGKILL)
