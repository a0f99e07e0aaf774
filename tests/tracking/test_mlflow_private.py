"""The undocumented parts of MLflow that `mlflow_private.py` uses still exist."""

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow

from mnistexp.tracking.mlflow_private import (
    HISTORIES_PATH,
    LOCATION_COLUMNS,
    artifact_locations,
    create_database,
    create_tables,
    list_model_aliases,
    metric_histories,
    migration_scripts,
    replace_artifact_locations,
)

ADVICE = "see src/mnistexp/tracking/mlflow_private.py: MLflow has changed"


def test_a_database_store_reads_the_histories_of_many_runs(tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert hasattr(client._tracking_client.store, "get_metric_history_bulk"), ADVICE
    run = client.create_run("0").info.run_id
    client.log_metric(run, "loss", 2.0, step=3)
    client.log_metric(run, "loss", 9.0, step=5, timestamp=2)
    client.log_metric(run, "loss", 1.0, step=5, timestamp=3)  # Logged again: the final metric.
    assert metric_histories(client, [run], "loss") == {run: [(3, 2.0), (5, 1.0)]}, ADVICE


def test_a_server_has_the_path_for_the_histories_of_many_runs() -> None:
    from mlflow.server import app

    assert HISTORIES_PATH in {str(rule) for rule in app.url_map.iter_rules()}, ADVICE


def test_completion_reads_the_aliases_of_a_local_store(tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_registered_model("digits")
    client.create_model_version("digits", str(tmp_path))
    client.set_registered_model_alias("digits", "champion", "1")
    assert list_model_aliases(tmp_path / "mlflow.db") == [("digits", "champion")], ADVICE


def test_the_locations_of_artifacts_are_read_and_replaced(tmp_path: Path) -> None:
    uri, database = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("e", artifact_location="/old/mlruns/1")
    run = client.create_run(experiment).info
    model = client.create_logged_model(experiment, name="model", source_run_id=run.run_id)
    assert {run.artifact_uri, model.artifact_location} <= set(artifact_locations(database)), ADVICE
    moved = {old: old.replace("/old", "/new") for old in artifact_locations(database)}
    replace_artifact_locations(database, moved)
    assert client.get_experiment(experiment).artifact_location == "/new/mlruns/1", ADVICE
    assert client.get_run(run.run_id).info.artifact_uri.startswith("/new/mlruns/1/"), ADVICE
    assert client.get_logged_model(model.model_id).artifact_location.startswith("/new/"), ADVICE


def test_the_columns_with_absolute_paths_are_known(tmp_path: Path) -> None:
    mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_experiments()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        columns = {
            (table, column[1])
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            for column in connection.execute(f"PRAGMA table_info({table})")
            if column[1] in LOCATION_COLUMNS.values()
        }
    assert columns == set(LOCATION_COLUMNS.items()), ADVICE


def test_the_migration_scripts_are_in_the_package() -> None:
    assert (migration_scripts() / "env.py").is_file(), ADVICE


def test_the_empty_tables_have_no_experiment_and_become_a_store(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    create_tables(file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (0,), ADVICE
    create_database(file)
    client = mlflow.MlflowClient(f"sqlite:///{file}")
    assert client.get_experiment("0").artifact_location == f"{tmp_path}/mlruns/0", ADVICE
