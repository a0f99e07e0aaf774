"""The undocumented parts of MLflow that `mlflow_private.py` uses still exist."""

from pathlib import Path

import mlflow

from mnistexp.tracking.mlflow_private import (
    HISTORIES_PATH,
    list_model_aliases,
    metric_histories,
    migration_scripts,
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


def test_the_migration_scripts_are_in_the_package() -> None:
    assert (migration_scripts() / "env.py").is_file(), ADVICE
