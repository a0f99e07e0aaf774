"""`mnistexp serve`: MLflow's scoring server for a trained model."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.commands.ui import check_free
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
    check_free(port)

    from mnistexp.analysis.run_selection import select_model
    from mnistexp.analysis.run_tables import open_run_store
    from mnistexp.inference import load_model
    from mnistexp.inference.model_server import build_app
    from mnistexp.local_server import serve_here

    store = open_run_store(experiment, uri)
    stored = select_model(store, model, where)
    print(f"{stored.run_name}, run {stored.run_id}: loading …", flush=True)
    trained = load_model(stored, store)
    with tempfile.TemporaryDirectory(prefix="mnistexp-serve-") as folder:
        example = Path(folder) / "seven.json"
        label = _write_example_request(trained, example)
        serve_here(build_app(trained), port, lambda at: _print_usage(at, example, label))


def _print_usage(address: str, example: Path, label: int) -> None:
    print(f"Scoring server: {address}  (Ctrl-C to stop)\nHealth check: curl -f {address}/health")
    print(f"Example request with a test image of a {label}:")
    print(
        f"curl -s {address}/invocations -H 'Content-Type: application/json' -d @{example}",
        flush=True,
    )


def _write_example_request(trained: "TrainedModel", file: Path) -> int:
    """Write the first test image of MNIST as a request, and return its label."""
    import json

    from mnistexp.config.compose import compose_config
    from mnistexp.data import load_data

    test = load_data(compose_config([])[0].data).test
    (spec,) = trained.description.signature.inputs
    pixels = test.images[:1].reshape(spec.shape)
    file.write_text(json.dumps({"inputs": pixels.tolist()}))
    return int(test.labels[0])
