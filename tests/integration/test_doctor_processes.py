"""`mnistexp doctor` with a server, and with another environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from support import Command, one_line, running_server

pytestmark = pytest.mark.integration


def test_onednn_that_is_switched_off_is_noted(tmp_path: Path) -> None:
    """In a new process, because TensorFlow reads the environment only once."""
    process = subprocess.run(
        [sys.executable, "-m", "mnistexp", "doctor"],
        cwd=tmp_path,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0
    assert re.search(r"^note +onednn +off, since TF_ENABLE_ONEDNN_OPTS=0", process.stdout, re.M)
    assert process.stderr == ""


def test_version_and_orphaned_runs_of_a_server_are_reported(
    mnistexp: Command, tmp_path: Path
) -> None:
    server = ("mlflow", "server", "--host", "127.0.0.1", "--workers", "1")
    with running_server(tmp_path / "server", *server) as uri:
        client = mlflow.MlflowClient(uri)
        tags = {"process": f"{os.uname().nodename}:999999999"}
        run = client.create_run("0", run_name="lost_one", tags=tags)
        outcome = mnistexp("doctor", "--uri", uri)
        assert outcome.exit_code == 1
        assert f"MLflow {mlflow.__version__} on the server" in one_line(outcome.out)
        assert f"lost_one ({run.info.run_id}): RUNNING, but" in one_line(outcome.out)
        assert mnistexp("doctor", "--uri", uri, "--close-orphaned").exit_code == 0
        assert client.get_run(run.info.run_id).info.status == "KILLED"
