"""A real MLflow server: runs that are sent to it, and `mnistexp ui` on a local store."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pytest
from conftest import QUICK

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, *command: str) -> Iterator[str]:
    """The address of a server that is started in a folder, and stopped in the end."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(120):
        assert process.poll() is None, "the server has ended"
        try:
            with urlopen(f"{address}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no answer from {address}")


def run(folder: Path, *arguments: str) -> str:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "mnistexp", *QUICK, *arguments]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_run_is_sent_to_a_server_with_its_model(tmp_path: Path) -> None:
    server = ("mlflow", "server", "--host", "127.0.0.1", "--workers", "1")
    with served(tmp_path / "server", *server) as address:
        out = run(tmp_path / "here", f"tracking.uri={address}", "tracking.experiment=remote")
        page = re.search(rf"{address}/#/experiments/(\d+)/runs/(\w+)", out)
        assert page is not None
        client = mlflow.MlflowClient(address)
        finished = client.get_run(page[2])
        assert finished.info.status == "FINISHED"
        assert client.get_experiment(page[1]).name == "remote"
        mlflow.set_tracking_uri(address)
        model = mlflow.pyfunc.load_model(f"models:/{finished.outputs.model_outputs[0].model_id}")
        assert model.predict(np.zeros((2, 28, 28, 1), "u1")).shape == (2, 10)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["runs"]


def test_the_ui_shows_the_store_that_the_runs_used(tmp_path: Path) -> None:
    out = run(tmp_path)
    run_id = re.search(r"run id +(\w+)", out)
    assert run_id is not None
    with served(tmp_path, "mnistexp", "ui") as address:
        with urlopen(address, timeout=30) as response:
            assert b"MLflow" in response.read()
        query = Request(
            f"{address}/api/2.0/mlflow/runs/search",
            data=json.dumps({"experiment_ids": ["1"]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(query, timeout=30) as response:
            (found,) = json.load(response)["runs"]
    assert found["info"]["run_id"] == run_id[1]
    assert found["info"]["run_name"] == "softmax-sgd-s0"
