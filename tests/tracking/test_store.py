"""The address of a store, and whether it can be used."""

import socket
from pathlib import Path

import pytest

from mnistexp.errors import TrackingError
from mnistexp.tracking import (
    MlflowTracking,
    NoTracking,
    browse_hint,
    check_tracking,
    redact_password,
    tracking_uri,
)
from mnistexp.tracking.store import run_url


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("somewhere", "tracking.uri: expected sqlite:///FILE"),
        ("./mlruns", "tracking.uri: expected sqlite:///FILE"),
        ("http://127.0.0.1:9", "no answer from the MLflow server at http://127.0.0.1:9"),
        ("http://user:secret@127.0.0.1:9", "no answer from the MLflow server at http://127.0.0.1"),
        ("sqlite:////nowhere/at/all.db", "expected an existing folder for the database"),
        ("sqlite:///:memory:", "expected sqlite:///FILE, which is kept after the run"),
        ("sqlite:////etc", "expected an SQLite database"),
        (f"sqlite:///{__file__}", "expected an SQLite database"),
        ("mssql://127.0.0.1/x", "expected the driver pyodbc to be installed"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused(uri: str, message: str) -> None:
    with pytest.raises(TrackingError, match=message):
        check_tracking(MlflowTracking(type="mlflow", uri=uri))


def test_a_server_that_does_not_answer_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TrackingError, match=f"{uri} .*timed out"):
            check_tracking(MlflowTracking(type="mlflow", uri=uri))


@pytest.mark.parametrize("name", ["mlflow.db", "new.db"])
def test_a_database_in_a_folder_that_can_be_written_is_accepted(name: str, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    check_tracking(MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/{name}"))
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_the_setting_comes_before_the_environment_and_the_environment_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri() == "http://127.0.0.1:5000"
    assert tracking_uri("sqlite:///other.db") == f"sqlite:///{tmp_path}/other.db"


def test_a_password_is_not_printed() -> None:
    uri = "postgresql://user:secret@host/db"
    assert redact_password(uri) == "postgresql://host/db"
    with_password = MlflowTracking(type="mlflow", uri="http://user:secret@host:5000")
    url = run_url("http://user:secret@host:5000", "1", "abc")
    assert browse_hint(with_password, url) == (
        "Open the run: http://host:5000/#/experiments/1/runs/abc?workflowType=machine_learning"
    )


def test_the_hint_names_the_store_unless_it_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    default, other = (MlflowTracking(type="mlflow", uri=uri) for uri in (None, "sqlite:///a.db"))
    assert "mnistexp ui to browse" in browse_hint(default, "URL")
    assert "mnistexp ui --uri sqlite:///a.db to browse" in browse_hint(other, "URL")
    assert browse_hint(NoTracking(type="none"), None) == ""
