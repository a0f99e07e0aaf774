"""Runs that are RUNNING in the store, and those that nothing runs any more."""

from collections.abc import Iterator, Sequence

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.tracking import RunningRun

CLOSE = "mnistexp doctor --close-orphaned closes it as KILLED; its metrics stay"


def check_runs(runs: Sequence[RunningRun]) -> Iterator[CheckResult]:
    """Each run that is lost or that nobody here knows of, and how many are alive."""
    for run in runs:
        where = f"{run.name} ({run.run_id})"
        if run.fate == "lost":
            text = f"{where}: RUNNING, but {run.process} is gone"
            yield CheckResult("runs", "problem", text, CLOSE)
        elif run.fate == "unknown":
            text = f"{where}: RUNNING in {run.process}, which cannot be seen from here"
            yield CheckResult("runs", "note", text, "ask mnistexp doctor on that machine")
    alive = [run for run in runs if run.fate == "alive"]
    names = ", ".join(f"{run.name} in {run.process}" for run in alive)
    yield CheckResult("runs", "ok", f"{len(alive)} running{': ' if names else ''}{names}")
