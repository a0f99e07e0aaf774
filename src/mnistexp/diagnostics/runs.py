"""Runs that are RUNNING in the store, and those that nothing runs any more."""

from collections.abc import Iterator, Sequence

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.tracking import RunRecord
from mnistexp.tracking.orphaned_runs import process_state

CLOSE = "mnistexp doctor --close-orphaned closes it as KILLED; its metrics stay"


def check_runs(runs: Sequence[RunRecord]) -> Iterator[CheckResult]:
    """Each run that is lost or that nobody here knows of, and how many are alive."""
    alive = []
    for run in runs:
        where, state = f"{run.name} ({run.run_id})", process_state(run.tags)
        process = run.tags.get("process", "an unknown process")
        if state == "ended":
            text = f"{where}: RUNNING, but {process} is gone"
            yield CheckResult("runs", "problem", text, CLOSE)
        elif state == "unknown":
            text = f"{where}: RUNNING in {process}, which cannot be seen from here"
            yield CheckResult("runs", "note", text, "ask mnistexp doctor on that machine")
        else:
            alive.append(f"{run.name} in {process}")
    names = ", ".join(alive)
    yield CheckResult("runs", "ok", f"{len(alive)} running{': ' if names else ''}{names}")
