"""What a check finds."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class CheckResult:
    """One line of a checkup.

    topic: what was looked at. status: `ok`; `note`: works, and is worth knowing; `problem`: runs
    will fail or have been lost. text: what was found. remedy: what to do; empty where nothing is.
    """

    topic: str
    status: Status
    text: str
    remedy: str = ""
