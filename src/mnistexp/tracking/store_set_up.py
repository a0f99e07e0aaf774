"""The first set-up of a local MLflow database: whole or not at all, by one process at a time.

MLflow creates its tables in some 60 steps that it commits one by one. A process that is killed in
between leaves a file that MLflow can never use again. So the database is built in a file beside its
final one, which it replaces when it is complete.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from mnistexp.errors import TrackingError
from mnistexp.file_writing import cache_folder, write_whole
from mnistexp.tracking.mlflow_private import create_database, create_tables

FILLED_BY_MIGRATIONS = ("alembic_version", "workspaces")
"""The tables that have rows although nothing was recorded."""
LOCK_TIMEOUT_SECONDS = 20.0
"""As long as MLflow waits for a database that another process has locked."""


@contextmanager
def store_locked(database: Path | None) -> Iterator[None]:
    """Let one process at a time set up a local store, and create its database if it has none.

    Args:
        database: the file of a local store. Other stores need neither: None.

    Raises:
        TrackingError: the folder cannot be written, or another program sets up the database.
    """
    if database is None:
        yield
        return
    from filelock import FileLock

    file = lock_file(database)
    lock = FileLock(file)
    try:
        lock.acquire()
    except OSError as error:
        raise TrackingError(
            f"tracking.uri: expected a lock file that can be written. Received: {file}: "
            f"{error.strerror}. Remove it if it exists, or name another store"
        ) from error
    try:
        if needs_set_up(database):
            _replace(database.resolve())
        yield
    finally:
        # Processes that wait for it notice that it was removed, and create a new one.
        file.unlink(missing_ok=True)
        lock.release()


def lock_file(database: Path) -> Path:
    """Return the file that a process locks while it sets up a local database."""
    target = database.resolve()
    return target.with_name(f".{target.name}.lock")


def needs_set_up(database: Path) -> bool:
    """Whether a local database does not exist, is empty, or was left behind by a set-up.

    Raises:
        TrackingError: the file cannot be read.
    """
    is_empty = not database.is_file() or database.stat().st_size == 0
    return is_empty or is_half_set_up(database)


def is_half_set_up(database: Path) -> bool:
    """Whether a set-up was interrupted: no table, or those of MLflow without any record.

    A complete store has at least the experiment that MLflow itself creates.

    Raises:
        TrackingError: the file cannot be read.
    """
    try:
        filled = _find_filled_tables(database)
    except sqlite3.Error as error:
        raise TrackingError(f"tracking.uri: {database} cannot be read: {error}") from error
    of_mlflow = not filled or "experiments" in filled or "alembic_version" in filled
    return of_mlflow and not any(
        has_rows for name, has_rows in filled.items() if name not in FILLED_BY_MIGRATIONS
    )


def processes_with_open_file(file: Path) -> list[tuple[int, str]]:
    """Return the pid and the name of each visible process that has a file open."""
    target = file.resolve()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # The process has ended, or belongs to another user.
            if any(link.resolve() == target for link in (process / "fd").iterdir()):
                found.append((int(process.name), (process / "comm").read_text().strip()))
    return found


def _find_filled_tables(database: Path) -> dict[str, bool]:
    """Return whether each table has rows."""
    # Only with write access can SQLite undo the unfinished write of a killed process.
    mode = "rw" if os.access(database, os.W_OK) else "ro"
    address = f"file:{quote(str(database))}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: bool(connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0])
            for (name,) in names
        }


def _replace(database: Path) -> None:
    """Build a database beside a missing or half set-up one, and put it into its place.

    Called with the lock held.
    """
    others = [pid for pid, _ in processes_with_open_file(database) if pid != os.getpid()]
    if others:
        raise TrackingError(
            f"tracking.uri: {database} is being set up by another program (process {others[0]}). "
            "Wait until it has ended or is ready, and try again"
        )
    _remove_unfinished(database)
    # MLflow remembers the stores of a process by their address, so each file has a new name.
    unfinished = database.with_name(f".{database.name}.{os.urandom(4).hex()}.new")
    try:
        _create(unfinished)
        unfinished.replace(database)
    finally:
        _remove_unfinished(database)


def _create(database: Path) -> None:
    """Create a database. Its tables are copied from the cache, after the first one of a user."""
    tables = cache_folder() / "stores" / f"mlflow_{version('mlflow')}.db"
    if not _copy_tables(tables, database):
        create_tables(database)
        with suppress(OSError):  # Without a cache, each set-up takes a second longer.
            tables.parent.mkdir(parents=True, exist_ok=True)
            write_whole(tables, database.read_bytes())
    create_database(database)


def _copy_tables(tables: Path, database: Path) -> bool:
    """Copy a file of empty tables. Return False if it is missing, damaged, or cannot be copied."""
    if not _is_intact(tables):
        return False
    try:
        shutil.copyfile(tables, database)
    except OSError:  # The disk is full, which `create_tables` reports.
        database.unlink(missing_ok=True)
        return False
    return True


def _is_intact(tables: Path) -> bool:
    """Whether a file is an undamaged database with the version of MLflow's tables."""
    address = f"file:{quote(str(tables))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            is_undamaged = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
            version_row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # There is no such file, for example.
        return False
    return is_undamaged and version_row is not None


def _remove_unfinished(database: Path) -> None:
    """Remove what killed processes left, with SQLite's journals."""
    for file in database.parent.glob(f".{database.name}.*.new*"):
        file.unlink(missing_ok=True)
