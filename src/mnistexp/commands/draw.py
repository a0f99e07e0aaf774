"""`mnistexp draw`: serve a web page where a model classifies a drawn digit."""

from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.commands.serve import load_served_model
from mnistexp.errors import ModelError
from mnistexp.local_server import address, listen, open_browser, serve_app
from mnistexp.tracking.config import DEFAULT_EXPERIMENT


def draw(
    model: RunName,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5002,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address of the page.")
    ] = False,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Serve a page where you draw a digit and see the predicted probabilities.

    Stop with Ctrl-C.
    """
    with listen(port) as listener:
        trained = load_served_model(model, where, uri, experiment)
        if not trained.reads_digits:
            raise ModelError(
                f"{trained}: expected a model of the digits 0 to 9, 28×28 gray pixels. Received: "
                f"one of {len(trained.classes.class_names)} classes. Use mnistexp predict"
            )
        from mnistexp.inference.drawing_page import build_app

        app = build_app(trained, f"{trained.run_name}, run {trained.run_id[:8]}")
        print(f"Draw a digit: {address(listener)}  (Ctrl-C to stop)", flush=True)
        if not no_browser:
            open_browser(address(listener))
        serve_app(app, listener)
