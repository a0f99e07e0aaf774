"""The list of all checks, fast ones first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.files import check_data, check_disk
from mnistexp.diagnostics.hardware import check_hardware
from mnistexp.diagnostics.packages import check_extras, check_packages
from mnistexp.diagnostics.store import check_store_and_runs, check_unsent
from mnistexp.tracking.store import sqlite_file


@dataclass(frozen=True)
class Check:
    """A function that checks something, and the title that is shown while it runs."""

    title: str
    run: Callable[[], Iterable[CheckResult]]


def list_checks(uri: str, close_orphaned_runs: bool) -> list[Check]:
    """Return the checks of the installation and of a tracking store.

    Args:
        uri: the address of the store, as `tracking_uri` returns it.
        close_orphaned_runs: whether to close runs whose process ended. Nothing else is changed.
    """
    return [
        Check("checking the packages", check_packages),
        Check("checking the extras", check_extras),
        Check("checking the data files", check_data),
        Check("checking the disk", lambda: check_disk(_written_places(uri))),
        Check("checking the store", lambda: check_store_and_runs(uri, close_orphaned_runs)),
        Check("looking for runs that are not sent", check_unsent),
        Check("importing TensorFlow", check_hardware),
    ]


def _written_places(uri: str) -> dict[str, Path]:
    """Return the files and folders that a run writes to, by their content."""
    database = sqlite_file(uri)
    folders = {"runs": Path.cwd() / "runs", "artifacts": Path.cwd() / "mlruns"}
    return folders if database is None else {"store": database, **folders}
