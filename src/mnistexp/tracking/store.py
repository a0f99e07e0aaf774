"""The MLflow store: its address, checks of it, how it is opened, and the addresses of its pages."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mnistexp.errors import TrackingError
from mnistexp.tracking.config import MlflowTracking, TrackingConfig
from mnistexp.tracking.mlflow_private import (
    RUNS_VIEW,
    RUNS_VIEW_QUERY,
    RUNS_VIEW_TAG,
    TRAINING_PAGES,
)
from mnistexp.tracking.relocation import follow_moved_folder
from mnistexp.tracking.store_set_up import store_locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///mlflow.db"
SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql")
"""The kinds of store."""
DESCRIPTION_TAG = "mlflow.note.content"
"""MLflow's pages show this tag as a description, in Markdown."""
EXPERIMENT_DESCRIPTION = (
    "Runs of mnistexp. A sweep is a run of its own, and its jobs are runs; the search "
    "tags.kind = 'sweep' finds the sweeps."
)
SQLITE_HEADER = b"SQLite format 3\x00"
PROBE_TIMEOUT_SECONDS = 3
OTHER_STORE = (
    "Start it, set tracking.uri or MLFLOW_TRACKING_URI to another store, or use tracking=none"
)
LOCAL_SERVER = "http://127.0.0.1:5000"
"""Where `mnistexp ui` shows a local store by default."""


def tracking_uri(uri: str | None = None) -> str:
    """Return the store's address: the setting, else MLFLOW_TRACKING_URI, else `mlflow.db` here.

    The path of a local database is made absolute: MLflow caches stores by address, so a relative
    path would mean the first store in every working folder.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    file = sqlite_file(chosen)
    return f"sqlite:///{file}" if file is not None and "?" not in chosen else chosen


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a local database; None for any other store."""
    path = uri.partition(":///")[2].partition("?")[0]
    is_file = uri.startswith("sqlite") and path and path != ":memory:"
    return Path(path).absolute() if is_file else None


def read_only_uri(uri: str) -> str:
    """Return an address by which SQLAlchemy opens a local database read-only; else the same one."""
    file = sqlite_file(uri)
    if file is None or "?" in uri:
        return uri
    _roll_back_interrupted_write(file)
    # Without the name of the driver, MLflow would take the path for one on disk and create folders.
    return f"sqlite+pysqlite:///file:{quote(str(file))}?mode=ro&uri=true"


def _roll_back_interrupted_write(file: Path) -> None:
    """Let SQLite undo the write of a killed process, which a read-only connection cannot do."""
    if Path(f"{file}-journal").exists() and os.access(file, os.W_OK):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()


def redact_password(uri: str) -> str:
    """Return an address, or a text with addresses, without user and password."""
    return re.sub(r"//[^/\s]*@", "//", uri)


def check_tracking(config: TrackingConfig) -> None:
    """Check that a store can record runs, without importing MLflow.

    Raises:
        TrackingError: see `check_store`; or TensorBoard is not installed.
    """
    if config.tensorboard and find_spec("tensorboard") is None:
        raise TrackingError(
            "tracking.tensorboard: expected TensorBoard to be installed. Received: none. "
            "Install it with pip install 'mnistexp[tensorboard]'"
        )
    if isinstance(config, MlflowTracking) and not config.offline:
        check_store(tracking_uri(config.uri))


def check_store(uri: str, *, for_writing: bool = True) -> None:
    """Check that a store can be used.

    Args:
        uri: the address, as `tracking_uri` returns it.
        for_writing: also check that a local database can be written.

    Raises:
        TrackingError: the address is of no known kind, its file is no database or cannot be
            opened, its driver is not installed, or the server does not answer within 3 seconds.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES or ":" not in uri:
        raise TrackingError(
            "tracking.uri: expected sqlite:///FILE, http://HOST:PORT or another database that "
            f"MLflow supports. Received: {redact_password(uri)}"
        )
    if scheme in ("http", "https"):
        _check_server(uri)
    elif scheme == "sqlite":
        _check_file(uri, for_writing)
    else:
        _check_driver(uri, scheme)


def _check_driver(uri: str, scheme: str) -> None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"tracking.uri: expected the driver {error.name} to be installed for {scheme}. "
            f"Received: none. Install it, or name another one: {scheme}+DRIVER://…"
        ) from error
    except (ArgumentError, ValueError) as error:
        raise TrackingError(
            f"tracking.uri: expected {scheme}://USER@HOST:PORT/DATABASE. Received: "
            f"{redact_password(uri)}"
        ) from error


def _check_server(uri: str) -> None:
    import requests  # MLflow's client uses it too, so both send the same credentials.

    try:
        response = requests.get(f"{uri.rstrip('/')}/health", timeout=PROBE_TIMEOUT_SECONDS)
    except (requests.RequestException, ValueError) as error:
        reason = "timed out" if isinstance(error, requests.Timeout) else "no connection"
        raise TrackingError(
            f"tracking.uri: no answer from the MLflow server at {redact_password(uri)} "
            f"({reason}). {OTHER_STORE}"
        ) from error
    # 401 and 403: the server exists; MLflow's client reports missing permissions itself.
    if response.status_code not in (200, 401, 403):
        raise TrackingError(
            f"tracking.uri: expected an MLflow server at {redact_password(uri)}. "
            f"Received: status {response.status_code} for /health. {OTHER_STORE}"
        )


def _check_file(uri: str, for_writing: bool) -> None:
    file = sqlite_file(uri)
    if file is None:
        raise TrackingError(
            f"tracking.uri: expected sqlite:///FILE, which is kept after the run. Received: {uri}"
        )
    if not file.parent.is_dir():
        raise TrackingError(
            f"tracking.uri: expected an existing folder for the database. Received: {file.parent}"
        )
    if file.is_dir():
        raise TrackingError(f"tracking.uri: expected an SQLite database. Received: {file}")
    if for_writing and not os.access(file if file.exists() else file.parent, os.W_OK):
        raise TrackingError(f"tracking.uri: expected a writable database. Received: {file}")
    artifacts = file.parent / "mlruns"
    if for_writing and artifacts.exists() and not artifacts.is_dir():
        raise TrackingError(
            f"tracking.uri: expected a folder for the artifacts. Received: the file {artifacts}. "
            "Rename it, or name another store"
        )
    if file.exists() and not os.access(file, os.R_OK):
        raise TrackingError(f"tracking.uri: expected a readable database. Received: {file}")
    if file.is_file() and _first_bytes(file) not in (b"", SQLITE_HEADER):
        raise TrackingError(f"tracking.uri: expected an SQLite database. Received: {file}")


def _first_bytes(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(len(SQLITE_HEADER))


def open_store(config: MlflowTracking) -> tuple["MlflowClient", str]:
    """Open the store for writing; create the store and the experiment if they do not exist.

    Returns:
        A client of the store, and the id of the experiment.

    Raises:
        TrackingError: MLflow cannot use the store or the experiment.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = tracking_uri(config.uri)
    try:
        return connect(uri, config.experiment)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(
            f"tracking: MLflow cannot use experiment {config.experiment!r} of "
            f"{redact_password(uri)}: {reason}"
        ) from error


def connect(uri: str, experiment_name: str) -> tuple["MlflowClient", str]:
    """Open a store as `open_store` does, but raise the exceptions of MLflow and SQLAlchemy.

    One process at a time sets up a local database, because MLflow fails otherwise.

    Args:
        uri: the address, as `tracking_uri` returns it.
    """
    import mlflow

    file = sqlite_file(uri)
    with store_locked(file), _unchanged_environment("MLFLOW_TRACKING_URI"):
        follow_moved_folder(file)
        mlflow.set_tracking_uri(uri)
        experiment = mlflow.set_experiment(experiment_name)
        client = mlflow.MlflowClient(uri)
        if DESCRIPTION_TAG not in experiment.tags:
            client.set_experiment_tag(
                experiment.experiment_id, DESCRIPTION_TAG, EXPERIMENT_DESCRIPTION
            )
        if experiment.tags.get(RUNS_VIEW_TAG) != RUNS_VIEW:
            client.set_experiment_tag(experiment.experiment_id, RUNS_VIEW_TAG, RUNS_VIEW)
    return client, str(experiment.experiment_id)


def client_for_writing(uri: str) -> "MlflowClient":
    """Return a client of a store that is set up already; no experiment is created.

    This also sets MLflow's global store, because its registry looks up models there.
    """
    import mlflow

    follow_moved_folder(sqlite_file(uri))
    with _unchanged_environment("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(uri)


@contextmanager
def _unchanged_environment(name: str) -> Iterator[None]:
    """Restore a variable: MLflow writes its store there, and the next run would use that."""
    value = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def run_url(uri: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run's page on its server, or where `mnistexp ui` shows it.

    Args:
        uri: the address of the store, as `tracking_uri` returns it.
    """
    server = redact_password(uri).rstrip("/") if uri.startswith("http") else LOCAL_SERVER
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}?{TRAINING_PAGES}"


def runs_url(server: str, experiment_id: str) -> str:
    """Return the address of the table of an experiment's runs, best first; see `RUNS_VIEW`."""
    return f"{server}/#/experiments/{experiment_id}/runs?{TRAINING_PAGES}&{RUNS_VIEW_QUERY}"


def browse_hint(config: TrackingConfig, url: str | None) -> str:
    """Return a text that says how to open a run; empty if nothing is tracked.

    Args:
        url: the address of the run's page; None if it is not in the store yet.
    """
    if not isinstance(config, MlflowTracking):
        return ""
    if url is None:
        return "Recorded in its folder. mnistexp sync sends it to the store"
    if tracking_uri(config.uri).startswith("http"):
        return f"Open the run: {url}"
    # Without --uri, `mnistexp ui` opens the store of the environment or of the working folder.
    is_default = config.uri is None or tracking_uri(config.uri) == tracking_uri()
    option = "" if is_default else f" --uri {redact_password(config.uri or '')}"
    return f"Start mnistexp ui{option} to browse the runs. Address of this run:\n{url}"
