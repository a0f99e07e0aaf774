"""`mnistexp doctor`, with data and stores that are really damaged."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import mlflow
from support import Command, one_line

ENDLESS_RUN = """
import time
from mnistexp.tracking import MlflowTracking
from mnistexp.tracking.orphaned_runs import process_tags
from mnistexp.tracking.store import open_store
client, experiment_id = open_store(MlflowTracking(type="mlflow"))
client.create_run(experiment_id, run_name="a_run", tags=process_tags())
print("begun", flush=True)
time.sleep(600)
"""
"""Without a tracking process, which would close the run: as if the computer had gone down."""


@contextmanager
def running_run(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a process with a run that does not end, and kill it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS_RUN], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert "begun\n" in iter(process.stdout.readline, "")
        yield process
    finally:
        process.kill()
        process.communicate()


def address(store: Path) -> str:
    return f"sqlite:///{store}"


def test_the_environment_of_the_tests_has_no_problem(mnistexp: Command, copied_store: Path) -> None:
    outcome = mnistexp("doctor")
    assert outcome.exit_code == 0, outcome.out
    for topic in ("python", "packages", "extras", "data", "disk", "store", "cpu", "onednn"):
        assert re.search(rf"^ok +{topic} ", outcome.out, re.MULTILINE), topic
    assert f"mlflow {mlflow.__version__}" in one_line(outcome.out)
    assert re.search(r"^0 problems, \d notes, \d+ ok$", outcome.out, re.MULTILINE)
    lines = [line.rstrip() for line in outcome.out.splitlines() if "/" not in line]
    assert max(map(len, lines)) <= 80  # A path is longer, and not broken.


def test_a_folder_without_a_store_remains_empty(mnistexp: Command, tmp_path: Path) -> None:
    assert "does not exist yet" in one_line(mnistexp("doctor").out)
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_process_was_killed_is_found_and_closed(
    mnistexp: Command, copied_store: Path, tmp_path: Path
) -> None:
    with running_run(tmp_path) as process:
        assert f"1 running: a_run in {os.uname().nodename}:{process.pid}" in one_line(
            mnistexp("doctor").out
        )
        # The killed process is a zombie, because its parent has not waited for it yet.
        process.send_signal(signal.SIGKILL)
        outcome = mnistexp("doctor")
    assert outcome.exit_code == 1
    assert "a_run" in outcome.out
    assert f":{process.pid} has ended" in one_line(outcome.out)
    assert "doctor --close-orphaned" in outcome.out

    closing = mnistexp("doctor", "--close-orphaned")
    assert closing.exit_code == 0
    assert "closed as KILLED: a_run" in one_line(closing.out)
    runs = mlflow.MlflowClient(address(copied_store)).search_runs(["1"])
    (run,) = [run for run in runs if run.info.run_name == "a_run"]
    assert run.info.status == "KILLED"
    assert "ended without closing it" in run.data.tags["reason"]
    (other,) = [run for run in runs if run.info.run_name != "a_run"]
    assert other.info.status == "FINISHED"


def test_another_process_with_the_pid_of_the_run_is_not_its_process(
    mnistexp: Command, copied_store: Path, tmp_path: Path
) -> None:
    with running_run(tmp_path) as process:
        client = mlflow.MlflowClient(address(copied_store))
        (run,) = client.search_runs(["1"], "attributes.status = 'RUNNING'")
        begin = run.data.tags["process_start"]
        client.set_tag(run.info.run_id, "process_start", begin + "0")
        assert f":{process.pid} has ended" in one_line(mnistexp("doctor").out)


def test_a_run_on_another_machine_is_not_closed(mnistexp: Command, copied_store: Path) -> None:
    client = mlflow.MlflowClient(address(copied_store))
    run = client.create_run("1", run_name="afar", tags={"process": "another_machine:1"})
    outcome = mnistexp("doctor", "--close-orphaned")
    assert outcome.exit_code == 0
    assert "RUNNING in another_machine:1 on another machine" in one_line(outcome.out)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


def test_a_locked_database_is_reported_with_the_process_that_has_it_open(
    mnistexp: Command, copied_store: Path
) -> None:
    with sqlite3.connect(copied_store, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        outcome = mnistexp("doctor")
        other.execute("ROLLBACK")
    other.close()
    assert outcome.exit_code == 1
    assert re.search(rf"locked for over 2 s; open in {os.getpid()} \(", one_line(outcome.out))


def test_a_missing_artifact_folder_is_a_problem(mnistexp: Command, copied_store: Path) -> None:
    with sqlite3.connect(copied_store) as database:
        database.execute("UPDATE experiments SET artifact_location = '/moved' || experiment_id")
    database.close()
    outcome = mnistexp("doctor")
    assert outcome.exit_code == 1
    assert "expected the folder /moved1. Received: none" in one_line(outcome.out)
    assert "/moved0" not in outcome.out  # It contains no run.


def test_a_store_that_a_run_refuses_is_a_problem_with_the_same_message(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no database")
    outcome = mnistexp("doctor", "--uri", "sqlite:///notes.txt")
    assert outcome.exit_code == 1
    assert "expected an SQLite database" in one_line(outcome.out)
    silent = mnistexp("doctor", "--uri", "http://127.0.0.1:9")
    assert "no answer from the MLflow server" in one_line(silent.out)


def test_a_database_without_mlflow_tables_is_not_changed(mnistexp: Command, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()
    before = (tmp_path / "mlflow.db").read_bytes()
    assert mnistexp("doctor").exit_code == 0
    assert (tmp_path / "mlflow.db").read_bytes() == before


@contextmanager
def forbidding_server() -> Iterator[str]:
    """A server that answers 403, as MLflow's does for a host name it does not know."""

    class Forbid(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def do_POST(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Forbid) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_refuses_access_is_a_problem(mnistexp: Command) -> None:
    with forbidding_server() as uri:
        outcome = mnistexp("doctor", "--uri", uri)
    assert outcome.exit_code == 1
    assert "MLFLOW_TRACKING_USERNAME" in outcome.out
    assert outcome.err == ""
