"""`mnistexp serve`: MLflow's scoring server for a trained model."""

from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.local_server import address, listen, serve_app
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.inference import TrainedModel


def serve(
    model: RunName,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5001,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Serve a trained model on 127.0.0.1 with MLflow's scoring server. Stop with Ctrl-C."""
    with listen(port) as listener:
        trained = load_served_model(model, where, uri, experiment)
        from mnistexp.inference.model_server import build_app

        example, content = _example_request(trained)
        app = build_app(trained, example)
        _print_usage(address(listener), content)
        serve_app(app, listener, ends_process=True)


def load_served_model(model: str, where: str, uri: str | None, experiment: str) -> "TrainedModel":
    """Load the model of `draw` and `serve`, and print which one it is."""
    from mnistexp.inference import load_model
    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    stored = select_model(store, model, where)
    print(f"{stored.run_name}, run {stored.run_id}: loading …", flush=True)
    return load_model(stored, store)


def _print_usage(url: str, content: str) -> None:
    print(f"Scoring server: {url}  (Ctrl-C to stop)\nHealth check: curl -f {url}/health")
    print(f"Names of the classes, in the order of the probabilities: curl {url}/classes")
    print(f"Example request with {content}:")
    print(
        f"curl -s {url}/example | "
        f"curl -s {url}/invocations -H 'Content-Type: application/json' -d @-",
        flush=True,
    )


def _example_request(trained: "TrainedModel") -> tuple[str, str]:
    """Return a request, and what its image shows: the first test image of MNIST, or only gray.

    The images of other data sets may no longer be where the model was trained.
    """
    import json

    import numpy as np

    from mnistexp.config.compose import compose_config
    from mnistexp.data import load_data

    if trained.reads_digits:
        test = load_data(compose_config([])[0].data).test
        image, content = test.images[:1], f"a test image of a {test.labels[0]}"
    else:
        image, content = np.full(trained.classes.image_shape, 128, "u1"), "an image of gray pixels"
    (spec,) = trained.description.signature.inputs
    return json.dumps({"inputs": image.reshape(spec.shape).tolist()}), content
