"""The result of one check."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class CheckResult:
    """One line of `mnistexp doctor`.

    Attributes:
        topic: what was checked, in one word.
        status: `ok`; `note`: works, but has a limitation; `problem`: runs will fail or were lost.
        message: what was found.
        remedy: what to do; empty if there is nothing to do.
    """

    topic: str
    status: Status
    message: str
    remedy: str = ""
