"""Checks of the tracking store: access, locks, schema, artifacts and orphaned runs."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlparse

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.errors import TrackingError
from mnistexp.tracking import MlflowTracking, RunStore, check_store, redact_password
from mnistexp.tracking.journal_sync import describe_unsent
from mnistexp.tracking.mlflow_private import migration_scripts
from mnistexp.tracking.orphaned_runs import close_orphaned, is_orphaned, process_state
from mnistexp.tracking.relocation import local_path
from mnistexp.tracking.store import sqlite_file
from mnistexp.tracking.store_set_up import (
    is_half_set_up,
    lock_file,
    needs_set_up,
    processes_with_open_file,
)

LOCK_TIMEOUT_SECONDS = 2.0
"""A run that logs metrics locks the database for less than 0.1 seconds."""
SERVER_TIMEOUT_SECONDS = 2.0
RECOVER = "restore a copy, or save what is readable: sqlite3 mlflow.db .recover | sqlite3 new.db"
WAIT_FOR_PROCESS = "wait for that process, or end it: kill PID"
CLOSE_ORPHANED = "mnistexp doctor --close-orphaned closes it as KILLED; its metrics remain"
AUTHENTICATE = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; the server's --allowed-hosts must "
    "contain its host name"
)


def check_store_and_runs(uri: str, close_orphaned_runs: bool) -> Iterator[CheckResult]:
    """Check a store and, if it can be used, its schema, artifacts and runs.

    Args:
        uri: the address of the store, as `tracking_uri` returns it.
        close_orphaned_runs: whether to close runs whose process ended.
    """
    access = list(check_access(uri))
    yield from access
    if any(result.status == "problem" for result in access) or not _has_tables(uri):
        return
    schema = check_schema(uri)
    yield schema
    if schema.status == "problem":
        return
    store = RunStore(MlflowTracking(type="mlflow", uri=uri))
    yield from check_artifacts(store)
    if close_orphaned_runs:
        yield from _close_orphaned(store)
    yield from check_runs(store)


def check_access(uri: str) -> Iterator[CheckResult]:
    """Check whether runs can be logged to a store. Nothing is created or changed."""
    database = sqlite_file(uri)
    try:
        check_store(uri)
    except TrackingError as error:
        yield CheckResult("store", "problem", str(error), "or name another store: --uri")
        return
    if database is None:
        yield _check_server_access(uri)
    elif not _has_content(database):
        message = f"{redact_password(uri)}: does not exist yet"
        yield CheckResult("store", "note", message, "the first run creates it")
    else:
        yield _check_set_up_lock(lock_file(database))
        access = _check_database(database)
        yield access
        if access.status == "ok" and is_half_set_up(database):
            message = f"{database}: its first set-up was interrupted; it has no runs"
            yield CheckResult("store", "note", message, "the next run or mnistexp ui completes it")


def check_schema(uri: str) -> CheckResult:
    """Check whether the tables, or the server, have the version of the installed MLflow."""
    installed = version("mlflow")
    if uri.startswith("http"):
        return _check_server_version(uri, installed)
    revision, newest, known = _schema_revisions(uri)
    if revision == newest:
        return CheckResult("schema", "ok", f"matches MLflow {installed} ({revision})")
    if revision in known:
        remedy = f"make a copy, then: mlflow db upgrade {redact_password(uri)}"
        message = f"older than MLflow {installed}: {revision}"
        return CheckResult("schema", "problem", message, remedy)
    message = f"unknown to MLflow {installed}: {revision}; from a newer MLflow or not from MLflow"
    remedy = "install the MLflow that created it, or name another store: --uri"
    return CheckResult("schema", "problem", message, remedy)


def check_artifacts(store: RunStore) -> Iterator[CheckResult]:
    """Check whether the artifact folders exist, beside the database or where they were created."""
    for experiment in store.client.search_experiments():
        location = store.current_location(experiment.artifact_location)
        folder = local_path(location)
        if urlparse(location).scheme not in ("", "file") or folder.is_dir():
            continue
        if store.client.search_runs([experiment.experiment_id], max_results=1):
            message = f"{experiment.name}: expected the folder {folder}. Received: none"
            remedy = (
                "move it beside the database, or use a new experiment: tracking.experiment=NAME"
            )
            yield CheckResult("artifacts", "problem", message, remedy)


def check_runs(store: RunStore) -> Iterator[CheckResult]:
    """Check whether the process of each RUNNING run is alive."""
    alive = []
    for run in store.running():
        state = process_state(run.tags)
        process = run.tags.get("process", "an unknown process")
        if state == "ended":
            message = f"{run.name} ({run.run_id}): RUNNING, but {process} has ended"
            yield CheckResult("runs", "problem", message, CLOSE_ORPHANED)
        elif state == "unknown":
            message = f"{run.name} ({run.run_id}): RUNNING in {process} on another machine"
            yield CheckResult("runs", "note", message, "run mnistexp doctor on that machine")
        else:
            alive.append(f"{run.name} in {process}")
    yield CheckResult(
        "runs", "ok", f"{len(alive)} running{': ' if alive else ''}{', '.join(alive)}"
    )


def check_unsent() -> Iterator[CheckResult]:
    """Check whether the working folder has runs that are not in the store yet."""
    unsent = describe_unsent()
    if unsent:
        yield CheckResult("runs", "note", unsent)


def _close_orphaned(store: RunStore) -> Iterator[CheckResult]:
    orphaned = [run for run in store.running() if is_orphaned(run)]
    if orphaned:
        close_orphaned(store.uri, orphaned)
        names = ", ".join(run.name for run in orphaned)
        yield CheckResult("runs", "note", f"closed as KILLED: {names}")


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _has_tables(uri: str) -> bool:
    if uri.startswith("http"):
        return True
    database = sqlite_file(uri)
    is_complete = database is None or not needs_set_up(database)
    return is_complete and _schema_revisions(uri)[0] is not None


def _schema_revisions(uri: str) -> tuple[str | None, str | None, set[str]]:
    """Return the revision of a database, the newest of the installed MLflow, and all known ones."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine

    scripts = ScriptDirectory(str(migration_scripts()))
    engine = create_engine(uri)
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    known = {script.revision for script in scripts.walk_revisions()}
    return revision, scripts.get_current_head(), known


def _check_server_access(uri: str) -> CheckResult:
    """Check whether a server or a database server accepts a query."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    address = redact_password(uri)
    try:
        if uri.startswith("http"):
            client = RunStore(MlflowTracking(type="mlflow", uri=uri)).client
            client.search_experiments(max_results=1)
        else:
            _schema_revisions(uri)
    except (MlflowException, SQLAlchemyError) as error:
        message = f"{address}: {str(error).splitlines()[0]}"
        return CheckResult("store", "problem", message, AUTHENTICATE)
    return CheckResult("store", "ok", f"{address}: reachable")


def _check_server_version(uri: str, installed: str) -> CheckResult:
    import requests

    url = f"{uri.rstrip('/')}/version"
    server = requests.get(url, timeout=SERVER_TIMEOUT_SECONDS).text.strip()
    message = f"MLflow {server} on the server, {installed} here"
    if server.split(".")[:2] == installed.split(".")[:2]:
        return CheckResult("schema", "ok", message)
    return CheckResult("schema", "note", message, "install the same version if requests fail")


def _check_database(database: Path) -> CheckResult:
    """Check whether an SQLite database can be read and written. Nothing is written."""
    address = f"file:{quote(str(database))}?mode=rw"
    try:
        connection = sqlite3.connect(
            address, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None
        )
        with closing(connection):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if "locked" not in str(error):
            return CheckResult("store", "problem", f"{database}: {error}", RECOVER)
        processes = _format_processes(database)
        message = f"{database}: locked for over {LOCK_TIMEOUT_SECONDS:g} s; open in {processes}"
        return CheckResult("store", "problem", message, WAIT_FOR_PROCESS)
    if damage != "ok":
        return CheckResult("store", "problem", f"{database}: damaged: {damage}", RECOVER)
    return CheckResult("store", "ok", f"{database}: readable, writable, not locked")


def _check_set_up_lock(file: Path) -> CheckResult:
    """Check whether a process holds the lock for the set-up of the store."""
    from filelock import FileLock, Timeout

    if file.exists():
        try:
            with FileLock(file, timeout=LOCK_TIMEOUT_SECONDS):
                pass
        except Timeout:
            processes = _format_processes(file)
            message = f"{file}: held for over {LOCK_TIMEOUT_SECONDS:g} s by {processes}"
            return CheckResult("lock", "problem", message, WAIT_FOR_PROCESS)
    return CheckResult("lock", "ok", "no process sets up the store")


def _format_processes(file: Path) -> str:
    """Return the visible processes that have a file open: `PID (command), PID (command)`."""
    processes = [f"{pid} ({command})" for pid, command in processes_with_open_file(file)]
    return ", ".join(processes) or "a process of another user or machine"
