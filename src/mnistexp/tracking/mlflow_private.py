"""The undocumented parts of MLflow that this package uses, all in one place.

`tests/tracking/test_mlflow_private.py` fails when MLflow changes them.

- A call of MLflow's public client reads one metric of one run, so a report of 50 runs would need
  hundreds of calls. This module reads many runs at once, like MLflow's own pages. Where that is not
  possible, it uses the public call.
- Importing MLflow takes 2 to 3 seconds, which is too long for completion with the Tab key. So names
  of runs are read directly from the SQLite tables of a local store.
- Without `TRAINING_PAGES`, MLflow opens its pages for language models. The runs table has columns
  for metrics and settings only in a shared view: an experiment tag with the state of the page as
  JSON (`tests/integration/test_mlflow_server.py` opens it in a browser).
- No call of MLflow changes an artifact location, which is an absolute path. So the locations in a
  local store whose folder was moved are changed in its SQLite tables.
- Only the migration scripts inside MLflow define the database schema that its version expects.
- MLflow creates its tables by about 60 migrations, which take a second. So the empty tables are
  kept in a file, from which the databases of other folders are copied.
- MLflow's client keeps the file of its database open, also one that is only built beside another,
  or that was deleted.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRAINING_PAGES = "workflowType=machine_learning"
RUNS_VIEW_TAG = "mlflow.sharedViewState.mnistexp"
RUNS_VIEW_QUERY = "viewStateShareKey=mnistexp"
CURVES = (
    *("val_accuracy", "test_accuracy", "train_accuracy"),
    *("val_loss", "test_loss", "train_loss"),
)


def _section(name: str) -> dict[str, object]:
    return {"uuid": name, "name": name, "display": True, "isGenerated": True}


def _line_chart(metric: str, section: str) -> dict[str, object]:
    return {
        "type": "LINE",
        "uuid": metric,
        "metricSectionId": section,
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "displayName": metric,
        "xAxisKey": "step",
        "useGlobalXaxisKey": True,
        "runsCountToCompare": 10,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "lineSmoothness": 0,  # Without it, MLflow draws a moving average as the curve.
    }


CURVES_SECTION = "Accuracy and loss"
RUNS_VIEW = json.dumps(
    {
        "compareRunSections": [*map(_section, (CURVES_SECTION, "Model metrics", "System metrics"))],
        "compareRunCharts": [_line_chart(metric, CURVES_SECTION) for metric in CURVES],
        "orderByKey": "metrics.`val_accuracy`",
        "orderByAsc": False,
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in ("val_accuracy", "test_accuracy", "val_loss")),
            *(f"params.`{name}`" for name in ("model", "optim", "data", "seed")),
        ],
    }
)
"""The runs table with accuracy, loss, model, optimizer, data set and seed, best first. Its charts
begin with accuracy and loss."""
MAX_RUNS_PER_STATEMENT = 500
"""Databases limit the number of values in a statement."""
MAX_RUNS_PER_REQUEST = 100
MAX_VALUES_PER_REQUEST = 25_000
"""The limits of MLflow's server."""
HISTORIES_PATH = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
LOCATION_COLUMNS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""The tables and columns that hold absolute paths of artifacts."""
MAX_COMPLETIONS = 500
"""Number of run names that completion proposes."""


def metric_histories(
    client: "MlflowClient", run_ids: Sequence[str], metric: str
) -> dict[str, Sequence[tuple[int, float]]]:
    """Return the (step, value) of a metric, by step, for each run that has it.

    Of several values of a step, it is the latest.
    """
    store = client._tracking_client.store
    is_database = hasattr(store, "get_metric_history_bulk")
    size = MAX_RUNS_PER_STATEMENT if is_database else MAX_RUNS_PER_REQUEST
    found: dict[str, dict[int, tuple[int, float]]] = {}
    for start in range(0, len(run_ids), size):
        batch = run_ids[start : start + size]
        read = _from_database if is_database else _from_server
        for run_id, step, timestamp, value in read(client, batch, metric):
            curve = found.setdefault(run_id, {})
            if step not in curve or timestamp >= curve[step][0]:
                curve[step] = (timestamp, value)
    return {
        run_id: [(step, curve[step][1]) for step in sorted(curve)]
        for run_id, curve in found.items()
    }


def _from_database(
    client: "MlflowClient", run_ids: Sequence[str], metric: str
) -> Iterator[tuple[str, int, int, float]]:
    values = client._tracking_client.store.get_metric_history_bulk(run_ids, metric, None)
    return ((value.run_id, value.step, value.timestamp, value.value) for value in values)


def _from_server(
    client: "MlflowClient", run_ids: Sequence[str], metric: str
) -> Iterator[tuple[str, int, int, float]]:
    from mlflow.utils.rest_utils import http_request

    response = http_request(
        client._tracking_client.store.get_host_creds(),
        HISTORIES_PATH,
        "GET",
        params=[("metric_key", metric), *(("run_id", run_id) for run_id in run_ids)],
    )
    values = response.json()["metrics"] if response.status_code == 200 else None
    if values is None or len(values) >= MAX_VALUES_PER_REQUEST:  # Unknown path, or cut off.
        return _by_public_calls(client, run_ids, metric)
    return ((v["run_id"], v["step"], v["timestamp"], v["value"]) for v in values)


def _by_public_calls(
    client: "MlflowClient", run_ids: Sequence[str], metric: str
) -> Iterator[tuple[str, int, int, float]]:
    for run_id in run_ids:
        for value in client.get_metric_history(run_id, metric):
            yield run_id, value.step, value.timestamp, value.value


def list_run_names(database: Path, experiment: str) -> list[tuple[str, str]]:
    """Return (name, id) of the latest runs of an experiment in a local store, newest first."""
    return _query(
        database,
        "SELECT r.name, r.run_uuid FROM runs r JOIN experiments e USING (experiment_id) "
        "WHERE e.name = ? AND r.lifecycle_stage = 'active' ORDER BY r.start_time DESC LIMIT ?",
        (experiment, MAX_COMPLETIONS),
    )


def list_model_aliases(database: Path) -> list[tuple[str, str]]:
    """Return (name, alias) of the registered models of a local store."""
    return _query(database, "SELECT name, alias FROM registered_model_aliases ORDER BY 1, 2", ())


def _query(database: Path, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    address = f"file:{quote(str(database))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=0.5)) as connection:
            return connection.execute(statement, values).fetchall()
    except sqlite3.Error:
        return []


def artifact_locations(database: Path) -> list[str]:
    """Return the recorded locations of all artifacts of a local store; none without its tables."""
    return [
        location
        for table, column in LOCATION_COLUMNS.items()
        for (location,) in _query(
            database, f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL", ()
        )
    ]


def replace_artifact_locations(database: Path, locations: Mapping[str, str]) -> None:
    """Change locations of artifacts in a local store.

    Args:
        locations: the new location by the recorded one.
    """
    pairs = [(new, old) for old, new in locations.items()]
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in LOCATION_COLUMNS.items():
            connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", pairs)


def create_tables(file: Path) -> None:
    """Create a local database with all of MLflow's tables, without an experiment, and close it."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry

    engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{file}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def create_database(file: Path) -> None:
    """Create a local database with all of MLflow's tables, and close it.

    The tables may exist. MLflow adds the experiment that it creates in each store.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    uri = f"sqlite:///{file}"
    try:
        SqlAlchemyStore(uri, str(file.parent / "mlruns"))
    finally:
        engine = SqlAlchemyStore._engine_map.pop(uri, None)
        if engine is not None:
            engine.dispose()


def import_database_code() -> None:
    """Import what `create_database` needs, 0.7 s of computing, before it is called."""
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def forget_store(uri: str) -> None:
    """Let MLflow open a local database again, because its file was deleted or replaced."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking._model_registry.registry import ModelRegistryStoreRegistry
    from mlflow.tracking._tracking_service.registry import TrackingStoreRegistry

    engine = SqlAlchemyStore._engine_map.pop(uri, None)
    if engine is not None:
        engine.dispose()
    for registry in (TrackingStoreRegistry, ModelRegistryStoreRegistry):
        registry._get_store_with_resolved_uri.cache_clear()


def migration_scripts() -> Path:
    """Return the folder of MLflow's Alembic scripts, which define the database schema."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "store" / "db_migrations"
