"""Runs that the store shows as RUNNING although their process has ended."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mnistexp.tracking.run_store import RunRecord
from mnistexp.tracking.store import client_for_writing

ProcessState = Literal["alive", "ended", "unknown"]
ORPHANED_REASON = (
    "its process ended without closing it: killed, out of memory, or the machine went down"
)


def process_tags() -> dict[str, str]:
    """Return tags by which the process of a run can be found later: host, pid and start time.

    The start time is needed because the system reuses pids, especially after a reboot.
    """
    pid = os.getpid()
    start = _start_of(pid)
    return {
        "process": f"{socket.gethostname()}:{pid}",
        **({} if start is None else {"process_start": start}),
    }


def process_state(tags: Mapping[str, str]) -> ProcessState:
    """Return whether the process of a run is alive; `unknown` on another host and without a tag."""
    host, _, pid = tags.get("process", "").rpartition(":")
    if host != socket.gethostname() or not Path("/proc/self/stat").is_file():
        return "unknown"
    start = _start_of(int(pid))
    is_same = start is not None and start == tags.get("process_start", start)
    return "alive" if is_same else "ended"


def is_orphaned(run: RunRecord) -> bool:
    """Return whether a run is RUNNING in the store although its process has ended."""
    return run.status == "RUNNING" and process_state(run.tags) == "ended"


def close_orphaned(uri: str, runs: Sequence[RunRecord]) -> None:
    """Close runs as KILLED, with the reason. Their metrics are kept."""
    for run in runs:
        end_run(uri, run.run_id, "KILLED", ORPHANED_REASON)


def end_run(uri: str, run_id: str, status: str, reason: str) -> None:
    """Close a run whose own process cannot close it any more.

    Args:
        uri: the address of the store, as `tracking_uri` returns it.
        run_id: the id of the run.
        status: FINISHED, FAILED or KILLED.
        reason: why it ended, for the tag `reason`.
    """
    client = client_for_writing(uri)
    client.set_tag(run_id, "reason", reason)
    client.set_terminated(run_id, status)


def _start_of(pid: int) -> str | None:
    """Return when a process started, as `BOOT/TICKS` of Linux; None if it has ended."""
    try:
        # The process name, in parentheses, may contain spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, ValueError):
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}/{ticks}"
