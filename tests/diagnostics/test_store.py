"""Checks of stores that are really locked, damaged, outdated or closed."""

import os
import re
import sqlite3
from pathlib import Path

from filelock import FileLock

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.store import check_access, check_schema, check_store_and_runs
from mnistexp.tracking import MlflowTracking
from mnistexp.tracking.store import open_store
from mnistexp.tracking.store_set_up import lock_file


def address(store: Path) -> str:
    return f"sqlite:///{store}"


def problem_messages(results: list[CheckResult]) -> list[str]:
    return [result.message for result in results if result.status == "problem"]


def test_a_process_that_holds_the_set_up_lock_is_a_problem(copied_store: Path) -> None:
    with FileLock(lock_file(copied_store)):
        (found,) = problem_messages(list(check_access(address(copied_store))))
    assert re.search(rf"held for over 2 s by {os.getpid()} \(", found)


def test_a_damaged_database_is_a_problem(copied_store: Path) -> None:
    content = bytearray(copied_store.read_bytes())
    content[8_192:40_960] = os.urandom(32_768)
    copied_store.write_bytes(content)
    (found,) = list(check_access(address(copied_store)))[1:]
    assert found.status == "problem"
    assert ".recover" in found.remedy


def test_a_schema_of_another_mlflow_is_a_problem(copied_store: Path) -> None:
    def rewrite(revision: str) -> None:
        with sqlite3.connect(copied_store) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.close()

    rewrite("451aebb31d03")  # MLflow 1.0's.
    older = check_schema(address(copied_store))
    assert older.status == "problem"
    assert "mlflow db upgrade" in older.remedy
    rewrite("0123456789ab")
    assert "from a newer MLflow" in check_schema(address(copied_store)).message


def test_a_store_that_is_not_writable_is_a_problem(copied_store: Path) -> None:
    """Checked as another user than root, because root can write every file."""
    copied_store.chmod(0o444)
    for folder in (copied_store.parent, *copied_store.parent.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o555)
    ours = os.getuid()
    if ours == 0:
        os.setresuid(65534, 65534, 0)
    try:
        found = problem_messages(list(check_access(address(copied_store))))
    finally:
        if ours == 0:
            os.setresuid(0, 0, 0)
    assert found == [f"tracking.uri: expected a writable database. Received: {copied_store}"]


def test_a_half_set_up_store_is_noted_with_advice_that_works(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")
    connection.close()
    *_, noted = check_store_and_runs(address(database), close_orphaned_runs=False)
    assert noted.status == "note"
    assert "first set-up was interrupted" in noted.message
    assert noted.remedy == "the next run or mnistexp ui completes it"
    open_store(MlflowTracking(type="mlflow", uri=address(database)))
    results = list(check_store_and_runs(address(database), close_orphaned_runs=False))
    assert {result.status for result in results} == {"ok"}
