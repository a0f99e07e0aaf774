"""Checks of stores that are really locked, damaged, outdated or closed."""

import os
import re
import sqlite3
from pathlib import Path

from filelock import FileLock

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.store import check_access, check_schema
from mnistexp.tracking.store import lock_file


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
