"""All checks, in their order: what is quick comes first."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.files import check_data, check_disk
from mnistexp.diagnostics.hardware import check_hardware
from mnistexp.diagnostics.packages import check_extras, check_packages
from mnistexp.diagnostics.runs import check_runs
from mnistexp.diagnostics.store import (
    check_artifacts,
    check_schema,
    check_whether_it_answers,
    is_set_up,
)
from mnistexp.tracking import MlflowTracking, RunStore
from mnistexp.tracking.orphaned_runs import close_orphaned, is_orphaned
from mnistexp.tracking.store import sqlite_file


@dataclass(frozen=True)
class Check:
    """A part of the checkup. title: what it is about to do, for those who wait."""

    title: str
    run: Callable[[], Iterable[CheckResult]]


def list_checks(uri: str, close: bool) -> list[Check]:
    """The checks of an installation and of a store, not begun yet.

    Args:
        uri: of the store, as `tracking_uri` gives it.
        close: whether runs that were lost are closed; nothing else is ever changed.
    """
    return [
        Check("reading the versions", check_packages),
        Check("reading the extras", check_extras),
        Check("reading the data", check_data),
        Check("measuring the disk", lambda: check_disk(_written_to(uri))),
        Check("asking the store", lambda: _check_store(uri, close)),
        Check("importing TensorFlow", check_hardware),
    ]


def _written_to(uri: str) -> dict[str, Path]:
    """Where a run writes to, by what is there."""
    file = sqlite_file(uri)
    here = {"runs": Path.cwd() / "runs", "artifacts": Path.cwd() / "mlruns"}
    return here if file is None else {"store": file, **here}


def _check_store(uri: str, close: bool) -> Iterator[CheckResult]:
    """The store, and if it is in order, its runs."""
    found = list(check_whether_it_answers(uri))
    yield from found
    if any(result.status == "problem" for result in found) or not is_set_up(uri):
        return
    schema = check_schema(uri)
    yield schema
    if schema.status == "problem":
        return
    yield from check_artifacts(uri)
    store = RunStore(MlflowTracking(type="mlflow", uri=uri))
    runs = store.running()
    orphaned = [run for run in runs if is_orphaned(run)]
    if close and orphaned:
        close_orphaned(uri, orphaned)
        names = ", ".join(run.name for run in orphaned)
        yield CheckResult("runs", "note", f"closed as KILLED: {names}")
        runs = store.running()
    yield from check_runs(runs)
