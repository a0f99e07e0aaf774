"""`mnistexp ui`: browse the runs of a store in MLflow's UI."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, Uri
from mnistexp.errors import TrackingError
from mnistexp.local_server import HOST, listen
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

ONLY_WARNINGS = ("--uvicorn-opts", "--log-level warning")
"""Options of MLflow's server: no line for each request, and no second address."""
ONLY_ERRORS_OF_MLFLOW = {"MLFLOW_LOGGING_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}
"""Variables that hide MLflow's notes at each start. The user may set others."""
SECURITY_NOTE = r"^\[MLflow\] Security middleware enabled"
"""MLflow always prints this note, which advises other hosts than 127.0.0.1."""


def ui(
    uri: Uri = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Browse the runs in MLflow's UI, on 127.0.0.1. Stop with Ctrl-C."""
    from mnistexp.tracking import check_store, redact_password, tracking_uri
    from mnistexp.tracking.relocation import follow_moved_folder
    from mnistexp.tracking.store import sqlite_file
    from mnistexp.tracking.store_set_up import store_locked

    store = tracking_uri(uri)
    check_store(store)
    if store.startswith("http"):
        typer.echo(f"The runs are on a server: open {redact_password(store)}")
        return
    listen(port).close()  # Report a port that is in use before MLflow loads.
    file = sqlite_file(store)
    with store_locked(file):  # MLflow's server would leave a half set-up store on Ctrl-C.
        follow_moved_folder(file)
    typer.echo(f"MLflow UI of {redact_password(store)}  (Ctrl-C to stop)")
    typer.echo(_runs_url(f"http://{HOST}:{port}", uri, experiment))
    sys.stdout.flush()
    arguments = ["--backend-store-uri", store, "--host", HOST, "--port", str(port), "--workers=1"]
    arguments += ["--registry-store-uri", store]  # Without it, MLflow prints a note.
    _hide_security_note()
    command = [sys.executable, "-m", "mlflow", "ui", *arguments, *ONLY_WARNINGS]
    os.execve(sys.executable, command, {**ONLY_ERRORS_OF_MLFLOW, **os.environ})


def _hide_security_note() -> None:
    """Send standard error through grep, which survives Ctrl-C, so that errors are still seen."""
    command = ["grep", "--line-buffered", "--invert-match", SECURITY_NOTE]
    grep = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, start_new_session=True)
    assert grep.stdin is not None
    os.dup2(grep.stdin.fileno(), 2)


def _runs_url(server: str, uri: str | None, experiment: str) -> str:
    """Return the address of the page of an experiment's runs; without runs, of the server."""
    from mnistexp.runs.run_tables import open_run_store
    from mnistexp.tracking.store import runs_url

    try:
        experiment_id = open_run_store(experiment, uri).experiment_id
    except TrackingError:
        return server
    return runs_url(server, experiment_id)
