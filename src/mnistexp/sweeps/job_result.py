"""How the job of a sweep ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mnistexp.tracking import RunRecord

Status = Literal["finished", "failed", "killed", "pruned"]
STATUSES: Mapping[str, Status] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    metrics: the final ones. message: the reason, where it did not finish. verdict: whether what its
    experiment expects was reached; empty where nothing is expected.
    """

    status: Status
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    verdict: str = ""
    run_id: str | None = None
    parent: str | None = None


def job_result_of(run: RunRecord, diverging_is_expected: bool = False) -> JobResult | None:
    """The outcome of a run in the store; None while it is running, or if its process was lost."""
    if run.status not in STATUSES:
        return None
    status = STATUSES[run.status]
    if run.tags.get("pruned") == "true":
        status = "pruned"
    elif run.diverged and diverging_is_expected:
        status = "finished"
    message, verdict = run.tags.get("reason", ""), run.tags.get("expectation", "")
    return JobResult(status, run.metrics, message, verdict, run.run_id, run.parent)
