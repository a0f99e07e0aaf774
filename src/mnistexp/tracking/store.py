"""The MLflow store: which one, whether it answers, and its first set-up."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mnistexp.errors import TrackingError, did_you_mean
from mnistexp.tracking.config import MlflowTracking, TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///mlflow.db"
DRIVERS = {
    **dict.fromkeys(("sqlite", "http", "https")),
    "postgresql": "psycopg2",
    "mysql": "MySQLdb",
    "mssql": "pyodbc",
}
"""The kinds of store, and the package that SQLAlchemy needs for each by default."""
DESCRIPTION = "mlflow.note.content"
"""The tag that MLflow's pages show as a description, in Markdown."""
ABOUT = "Runs of mnistexp. A sweep is a run with its jobs below it; tags.kind = 'sweep' finds them."
SQLITE_HEADER = b"SQLite format 3\x00"
PROBE_TIMEOUT_SECONDS = 3


def tracking_uri(uri: str | None = None) -> str:
    """The store that is used: the setting, else MLFLOW_TRACKING_URI, else `mlflow.db` here.

    The path of a local database is absolute: MLflow remembers a store by its address, and would
    take the same words for the same file in another working folder.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    file = sqlite_file(chosen)
    return f"sqlite:///{file}" if file is not None and "?" not in chosen else chosen


def check_tracking(config: TrackingConfig) -> None:
    """Refuse a store that cannot be used, before MLflow is imported.

    Raises:
        TrackingError: see `check_store`.
    """
    if config.tensorboard and find_spec("tensorboard") is None:
        raise TrackingError(
            "tracking.tensorboard: expected TensorBoard to be installed. Received: none. "
            "Install it with pip install 'mnistexp[tensorboard]'"
        )
    if isinstance(config, MlflowTracking):
        check_store(tracking_uri(config.uri))


def check_store(uri: str) -> None:
    """Refuse a store that cannot be used.

    Raises:
        TrackingError: the address is of no known kind, its file is no database or cannot be
            written, its driver is not installed, or the server does not answer within 3 seconds.
    """
    scheme = uri.split(":", 1)[0].split("+", 1)[0]
    if scheme not in DRIVERS or ":" not in uri:
        raise TrackingError(
            "tracking.uri: expected sqlite:///FILE, http://HOST:PORT or another database that "
            f"MLflow knows. Received: {without_password(uri)}"
        )
    driver = DRIVERS[scheme] if "+" not in uri.split(":", 1)[0] else None
    if driver and find_spec(driver) is None:
        raise TrackingError(
            f"tracking.uri: expected the driver {driver} to be installed for {scheme}. "
            f"Received: none. Install it, or name another one: {scheme}+DRIVER://…"
        )
    if scheme in ("http", "https"):
        _probe(uri)
    if scheme == "sqlite":
        _check_file(uri)


def is_there(config: MlflowTracking) -> bool:
    """Whether there is anything to read: a local database is not created by looking for it.

    Raises:
        TrackingError: see `check_store`.
    """
    uri = tracking_uri(config.uri)
    check_store(uri)
    file = sqlite_file(uri)
    return file is None or file.exists()


def without_password(uri: str) -> str:
    """The address as it may be shown."""
    return re.sub(r"//[^/@]*@", "//", uri)


def open_store(config: MlflowTracking) -> tuple["MlflowClient", str]:
    """A client of the store, and the id of the experiment, both created if need be.

    MLflow's first set-up of a database fails if several processes do it at once, so they queue.
    """
    with _opened(config) as client:
        import mlflow

        experiment = mlflow.set_experiment(config.experiment)
        if DESCRIPTION not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, DESCRIPTION, ABOUT)
    return client, experiment.experiment_id


def existing_store(config: MlflowTracking) -> tuple["MlflowClient", str]:
    """A client of the store, and the id of the experiment; nothing is created.

    Raises:
        TrackingError: there is no such store, or no such experiment in it.
    """
    if not is_there(config):
        file = sqlite_file(tracking_uri(config.uri))
        raise TrackingError(
            f"tracking.uri: expected a store with runs. Received: {file}, which does not exist. "
            "Run mnistexp in this folder first, or name another store: --uri sqlite:///FILE"
        )
    with _opened(config) as client:
        experiment = client.get_experiment_by_name(config.experiment)
    if experiment is None:
        names = [known.name for known in client.search_experiments()]
        raise TrackingError(
            f"tracking.experiment: expected one of {', '.join(sorted(names))}. "
            f"Received: {config.experiment!r}.{did_you_mean(config.experiment, names)}"
        )
    return client, experiment.experiment_id


@contextmanager
def _opened(config: MlflowTracking) -> Iterator["MlflowClient"]:
    """A client, while MLflow's set-up of the store is ours alone."""
    _quiet_mlflow()
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = tracking_uri(config.uri)
    try:
        with _lock(uri), _kept_environment("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri(uri)
            yield mlflow.MlflowClient(uri)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(
            f"tracking: MLflow cannot use experiment {config.experiment!r} of "
            f"{without_password(uri)}: {reason}"
        ) from error


def client_of(uri: str) -> "MlflowClient":
    """A client of a store that is set up; no experiment is created."""
    _quiet_mlflow()
    import mlflow

    return mlflow.MlflowClient(uri)


def _quiet_mlflow() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


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
    import requests  # MLflow's own client is made of it, so credentials work alike.

    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=PROBE_TIMEOUT_SECONDS)
    except (requests.RequestException, ValueError) as error:
        reason = "timed out" if isinstance(error, requests.Timeout) else "no connection"
        raise TrackingError(
            f"tracking.uri: no answer from the MLflow server at {without_password(uri)} "
            f"({reason}). {_REMEDY}"
        ) from error
    # 401 and 403: it is there; whether it lets us in is between MLflow and the server.
    if answer.status_code not in (200, 401, 403):
        raise TrackingError(
            f"tracking.uri: expected an MLflow server at {without_password(uri)}. "
            f"Received: status {answer.status_code} for /health. {_REMEDY}"
        )


_REMEDY = "Start it, set tracking.uri or MLFLOW_TRACKING_URI to another store, or use tracking=none"


def _check_file(uri: str) -> None:
    file = sqlite_file(uri)
    if file is None:
        raise TrackingError(
            f"tracking.uri: expected sqlite:///FILE, which outlives the run. Received: {uri}"
        )
    if not file.parent.is_dir():
        raise TrackingError(
            f"tracking.uri: expected an existing folder for the database. Received: {file.parent}"
        )
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise TrackingError(f"tracking.uri: expected a writable database. Received: {file}")
    if file.is_dir() or (file.is_file() and _first_bytes(file) not in (b"", SQLITE_HEADER)):
        raise TrackingError(f"tracking.uri: expected an SQLite database. Received: {file}")


def _first_bytes(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(len(SQLITE_HEADER))


def sqlite_file(uri: str) -> Path | None:
    """The file of a local database; None for any other store."""
    path = uri.partition(":///")[2].partition("?")[0]
    is_file = uri.startswith("sqlite") and path and path != ":memory:"
    return Path(path).absolute() if is_file else None


def _lock(uri: str) -> AbstractContextManager[object]:
    """One process at a time sets up a local database. A server does that by itself."""
    file = sqlite_file(uri)
    if file is None:
        return nullcontext()
    from filelock import FileLock

    return FileLock(lock_file(file))


def lock_file(database: Path) -> Path:
    """The file that whoever sets up a local database has locked."""
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mnistexp-{os.getuid()}-{name}.lock"
