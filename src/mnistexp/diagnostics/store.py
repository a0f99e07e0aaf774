"""The store: which one, whether it answers, its locks, its schema and where artifacts go."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, unquote, urlparse

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.errors import TrackingError
from mnistexp.tracking import MlflowTracking, RunStore, check_store, redact_password
from mnistexp.tracking.mlflow_private import migration_scripts
from mnistexp.tracking.store import lock_file, sqlite_file

LOCK_SECONDS = 2.0
"""A run that logs holds the database for some hundredths of a second."""


def check_whether_it_answers(uri: str) -> Iterator[CheckResult]:
    """Whether runs can be recorded in a store. Nothing is created or changed.

    Args:
        uri: as `tracking_uri` gives it.
    """
    file = sqlite_file(uri)
    try:
        check_store(uri)
    except TrackingError as error:
        yield CheckResult("store", "problem", str(error), "or give another one: --uri")
        return
    shown = redact_password(uri)
    if file is not None and not _is_begun(file):
        yield CheckResult("store", "note", f"{shown}: not there yet", "the first run sets it up")
    elif file is not None:
        yield from _check_database(file, shown)
    else:
        yield _ask(uri, shown)


def is_set_up(uri: str) -> bool:
    """Whether there may be runs in a store that answers."""
    if uri.startswith("http"):
        return True
    file = sqlite_file(uri)
    return (file is None or _is_begun(file)) and _revisions(uri)[0] is not None


def check_schema(uri: str) -> CheckResult:
    """Whether the tables are those of the MLflow that is installed."""
    ours = version("mlflow")
    if uri.startswith("http"):
        return _check_server(uri, ours)
    found, newest, known = _revisions(uri)
    if found == newest:
        return CheckResult("schema", "ok", f"that of MLflow {ours} ({found})")
    if found in known:
        remedy = f"back it up, then: mlflow db upgrade {redact_password(uri)}"
        return CheckResult("schema", "problem", f"older than MLflow {ours}: {found}", remedy)
    text = f"not known to MLflow {ours}: {found}; made by a newer MLflow, or not by MLflow"
    return CheckResult("schema", "problem", text, "install the MLflow that made it, or --uri")


def check_artifacts(uri: str) -> Iterator[CheckResult]:
    """Whether the folders in which artifacts lie are there; MLflow keeps their absolute paths."""
    client = RunStore(MlflowTracking(type="mlflow", uri=uri)).client
    for experiment in client.search_experiments():
        place = urlparse(experiment.artifact_location)
        folder = Path(unquote(place.path))
        if place.scheme not in ("", "file") or folder.is_dir():
            continue
        if client.search_runs([experiment.experiment_id], max_results=1):
            yield CheckResult(
                "artifacts",
                "problem",
                f"{experiment.name}: expected them in {folder}, which is gone",
                "move the folder back; or begin anew with tracking.experiment=NAME",
            )


def _ask(uri: str, shown: str) -> CheckResult:
    """A question to a server or a database; that there is one is known already."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if uri.startswith("http"):
            store = RunStore(MlflowTracking(type="mlflow", uri=uri))
            store.client.search_experiments(max_results=1)
        else:
            _revisions(uri)
    except (MlflowException, SQLAlchemyError) as error:
        remedy = (
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are sent along; a host name "
            "must be in the server's --allowed-hosts"
        )
        return CheckResult("store", "problem", f"{shown}: {str(error).splitlines()[0]}", remedy)
    return CheckResult("store", "ok", f"{shown} answers")


def _is_begun(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _check_database(file: Path, shown: str) -> Iterator[CheckResult]:
    """Its locks, and whether it can be read."""
    yield _check_set_up_lock(lock_file(file))
    try:
        with closing(_connect(file)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            damage = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        yield _trouble(file, error)
        return
    if damage != "ok":
        yield CheckResult("store", "problem", f"{shown}: damaged: {damage}", RECOVER)
        return
    yield CheckResult("store", "ok", f"{shown}: readable, writable, not locked")


RECOVER = "restore a copy, or save what is readable: sqlite3 mlflow.db .recover | sqlite3 new.db"


def _connect(file: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(file))}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS, isolation_level=None)


def _trouble(file: Path, error: sqlite3.DatabaseError) -> CheckResult:
    if "locked" not in str(error):
        return CheckResult("store", "problem", f"{file}: {error}", RECOVER)
    holders = ", ".join(_open_in(file)) or "a process of another user or machine"
    text = f"{file}: locked for over {LOCK_SECONDS:g} s; open in {holders}"
    return CheckResult("store", "problem", text, "wait for that process, or end it: kill PID")


def _check_set_up_lock(file: Path) -> CheckResult:
    from filelock import FileLock, Timeout

    if not file.exists():
        return CheckResult("lock", "ok", "nobody sets up the store")
    try:
        with FileLock(file, timeout=LOCK_SECONDS):
            return CheckResult("lock", "ok", "nobody sets up the store")
    except Timeout:
        holders = ", ".join(_open_in(file)) or "a process of another user"
        text = f"{file}: held for over {LOCK_SECONDS:g} s by {holders}"
        return CheckResult("lock", "problem", text, "wait for that process, or end it: kill PID")


def _open_in(file: Path) -> list[str]:
    """The processes, as far as we may see them, that have a file open: `PID (command)`."""
    target = file.resolve()
    return [
        f"{process.name} ({(process / 'comm').read_text().strip()})"
        for process in Path("/proc").glob("[0-9]*")
        if process.name != "self" and _has_open(process, target)
    ]


def _has_open(process: Path, file: Path) -> bool:
    try:
        return any(link.resolve() == file for link in (process / "fd").iterdir())
    except OSError:
        return False


def _revisions(uri: str) -> tuple[str | None, str | None, set[str]]:
    """The revision of a database, MLflow's newest, and all that MLflow knows."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine

    scripts = ScriptDirectory(str(migration_scripts()))
    engine = create_engine(uri)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    known = {script.revision for script in scripts.walk_revisions()}
    return found, scripts.get_current_head(), known


def _check_server(uri: str, ours: str) -> CheckResult:
    import requests

    theirs = requests.get(f"{uri.rstrip('/')}/version", timeout=LOCK_SECONDS).text.strip()
    if theirs.split(".")[:2] == ours.split(".")[:2]:
        return CheckResult("schema", "ok", f"the server's MLflow is {theirs}, ours {ours}")
    text = f"the server's MLflow is {theirs}, ours {ours}"
    return CheckResult("schema", "note", text, "give both the same version if requests fail")
