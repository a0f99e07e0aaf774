"""`mnistexp draw`: a web page on which one draws a digit that a model classifies."""

from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.commands.ui import check_free
from mnistexp.tracking.config import DEFAULT_EXPERIMENT


def draw(
    model: RunName,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5002,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Draw a digit with mouse, pen or finger and see its probabilities. Stop with Ctrl-C."""
    check_free(port)

    from mnistexp.analysis.run_selection import select_model
    from mnistexp.analysis.run_tables import open_run_store
    from mnistexp.inference import load_model
    from mnistexp.inference.drawing_page import build_app
    from mnistexp.local_server import serve_here

    store = open_run_store(experiment, uri)
    stored = select_model(store, model, where)
    print(f"{stored.run_name}, run {stored.run_id}: loading …", flush=True)
    trained = load_model(stored, store)
    app = build_app(trained, f"{trained.run_name}, run {trained.run_id[:8]}")
    serve_here(app, port, lambda at: print(f"Draw a digit: {at}  (Ctrl-C to stop)", flush=True))
