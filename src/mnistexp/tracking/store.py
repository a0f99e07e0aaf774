"""The MLflow store: which one, whether it answers, and its first set-up."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mnistexp.errors import TrackingError
from mnistexp.tracking.config import MlflowTracking, TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///mlflow.db"
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
PROBE_TIMEOUT_SECONDS = 3


def tracking_uri(uri: str | None = None) -> str:
    """The store that is used: the setting, else MLFLOW_TRACKING_URI, else `mlflow.db` here."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def check_tracking(config: TrackingConfig) -> None:
    """Refuse a store that cannot be used, before MLflow is imported.

    Raises:
        TrackingError: the address is of no known kind, its folder is missing or not writable, or
            the server does not answer within 3 seconds.
    """
    if not isinstance(config, MlflowTracking):
        return
    uri = tracking_uri(config.uri)
    scheme = uri.split(":", 1)[0].split("+", 1)[0]
    if scheme not in SCHEMES or ":" not in uri:
        raise TrackingError(
            "tracking.uri: expected sqlite:///FILE, http://HOST:PORT or another database that "
            f"MLflow knows. Received: {uri}"
        )
    if scheme in ("http", "https"):
        _probe(uri)
    if scheme == "sqlite":
        _check_folder(uri)


def open_store(config: MlflowTracking) -> tuple["MlflowClient", str]:
    """A client of the store, and the id of the experiment, both created if need be.

    MLflow's first set-up of a database fails if several processes do it at once, so they queue.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow

    uri = tracking_uri(config.uri)
    with _lock(uri), _kept_environment("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(uri)
        experiment = mlflow.set_experiment(config.experiment)
    return mlflow.MlflowClient(uri), experiment.experiment_id


@contextmanager
def _kept_environment(name: str) -> Iterator[None]:
    """MLflow writes its store into the environment, where the next run would take it for a wish."""
    value = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def _probe(uri: str) -> None:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=PROBE_TIMEOUT_SECONDS):
            pass
    except HTTPError:
        return  # It answers; whether it lets us in is between MLflow and the server.
    except (OSError, HTTPException, ValueError) as error:
        raise TrackingError(
            f"tracking.uri: no answer from the MLflow server at {uri} ({error}). Start it, set "
            "tracking.uri or MLFLOW_TRACKING_URI to another store, or use tracking=none"
        ) from error


def _check_folder(uri: str) -> None:
    file = _sqlite_file(uri)
    if file is None:
        return
    if not file.parent.is_dir():
        raise TrackingError(
            f"tracking.uri: expected an existing folder for the database. Received: {file.parent}"
        )
    writable = os.access(file if file.exists() else file.parent, os.W_OK)
    if not writable:
        raise TrackingError(f"tracking.uri: expected a writable database. Received: {file}")


def _sqlite_file(uri: str) -> Path | None:
    path = uri.partition(":///")[2].partition("?")[0]
    return Path(path).absolute() if path and path != ":memory:" else None


def _lock(uri: str) -> AbstractContextManager[object]:
    """One process at a time sets up a local database. A server does that by itself."""
    file = _sqlite_file(uri) if uri.startswith("sqlite") else None
    if file is None:
        return nullcontext()
    from filelock import FileLock

    name = hashlib.sha256(str(file).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"mnistexp-{os.getuid()}-{name}.lock")
