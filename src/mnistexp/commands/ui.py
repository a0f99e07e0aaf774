"""`mnistexp ui`: MLflow's pages on the store that the runs used."""

import os
import socket
import sys
from typing import Annotated

import typer

from mnistexp.commands.options import Uri
from mnistexp.errors import TrackingError

HOST = "127.0.0.1"


def ui(
    uri: Uri = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
    experiment: Annotated[str, typer.Option(help="Whose runs the address opens.")] = "mnistexp",
) -> None:
    """Browse the runs in MLflow's UI, on 127.0.0.1. Ctrl-C ends it."""
    from mnistexp.analysis import tracking_of
    from mnistexp.tracking import check_store, runs_page, tracking_uri, without_password

    store = tracking_uri(uri)
    check_store(store)
    if store.startswith("http"):
        typer.echo(f"The runs lie on a server: open {without_password(store)}")
        return
    check_free(port)
    typer.echo(f"MLflow UI of {without_password(store)}. Ctrl-C ends it")
    typer.echo(runs_page(tracking_of(experiment, uri), f"http://{HOST}:{port}"))
    sys.stdout.flush()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    arguments = [
        "--backend-store-uri",
        store,
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *arguments])


def check_free(port: int) -> None:
    """Refuse a port of 127.0.0.1 that is taken.

    Raises:
        TrackingError: it is.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise TrackingError(
                f"--port: expected a free port. Received: {port} ({error.strerror}). "
                f"Try --port {port + 1}"
            ) from error
