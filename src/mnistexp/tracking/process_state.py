"""The process that a run belongs to, and whether it still lives."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

ProcessState = Literal["alive", "lost", "unknown"]


def process_tags() -> dict[str, str]:
    """By which a run's process is known later: host and pid, and when it began.

    Pids are given out again, after a reboot above all, so the begin is needed too.
    """
    pid = os.getpid()
    begin = _begin(pid)
    known = {} if begin is None else {"process_begin": begin}
    return {"process": f"{socket.gethostname()}:{pid}", **known}


def process_state(tags: Mapping[str, str]) -> ProcessState:
    """Whether the process of a run still lives; `unknown` for another host's and without a tag."""
    host, _, pid = tags.get("process", "").rpartition(":")
    if host != socket.gethostname() or not Path("/proc/self/stat").is_file():
        return "unknown"
    begin = _begin(int(pid))
    same = begin is not None and begin == tags.get("process_begin", begin)
    return "alive" if same else "lost"


def _begin(pid: int) -> str | None:
    """When a process began, as `BOOT/TICKS` of Linux; None for one that is dead or a zombie."""
    try:
        # The name, in brackets, may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, ValueError):
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}/{ticks}"
