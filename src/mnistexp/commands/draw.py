"""`mnistexp draw`: serve a web page where a model classifies a drawing."""

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
    """Serve a page where you draw a digit, or what else the model knows, and see its prediction.

    Stop with Ctrl-C.
    """
    with listen(port) as listener:
        trained = load_served_model(model, where, uri, experiment)
        if trained.classes.image_shape[2] != 1:
            raise ModelError(
                f"{trained}: expected a model of gray images, like a drawing. Received: one of "
                "images with colors. Use mnistexp predict"
            )
        from mnistexp.inference.drawing_page import build_app

        app = build_app(trained, f"{trained.run_name}, run {trained.run_id[:8]}")
        noun = "digit" if trained.reads_digits else "picture"
        print(f"Draw a {noun}: {address(listener)}  (Ctrl-C to stop)", flush=True)
        if not no_browser:
            open_browser(address(listener))
        serve_app(app, listener)
