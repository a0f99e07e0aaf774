"""MLflow's scoring server for a trained model."""

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.inference.mlflow_private import build_scoring_app, invalid_request

if TYPE_CHECKING:
    from mnistexp.inference import TrainedModel

MAX_IMAGES = 1_000
"""Most images of a request. More would take gigabytes, and delay other requests for seconds."""
MAX_REQUEST_BYTES = 8 * 2**20
"""As JSON, 1,000 images have 6 MB at most."""
MAX_PARALLEL = 2
"""Requests that are computed at a time. Each takes up to some hundred megabytes; others wait."""


def build_app(model: "TrainedModel", example: str) -> Any:
    """Build the ASGI application with `/health`, `/version` and `/invocations`.

    MLflow documents these, checks requests against the stored signature, and computes in threads.
    `/` says in one line what to send, `/example` returns a request, and `/classes` the names of the
    classes in the order of the probabilities, as a JSON list.

    Args:
        example: the JSON of a request.
    """
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    (spec,) = model.description.signature.inputs
    shape = ", ".join(map(str, spec.shape[1:]))
    usage = (
        f'{model}: POST {{"inputs": images}} to /invocations as application/json, '
        f"images of shape [n, {shape}] with raw pixels from 0 to 255. "
        "GET /example returns a request, GET /classes the names of the classes in the order of the "
        "probabilities. GET /health reports the state.\n"
    )

    async def explain(_: Any) -> PlainTextResponse:
        return PlainTextResponse(usage)

    async def send_example(_: Any) -> Response:
        return Response(example, media_type="application/json")

    async def name_classes(_: Any) -> JSONResponse:
        return JSONResponse(list(model.classes.class_names))

    def predict(pixels: np.ndarray) -> np.ndarray:
        if len(pixels) > MAX_IMAGES:
            raise invalid_request(
                f"expected at most {MAX_IMAGES:,} images. Received: {len(pixels):,}"
            )
        return model.predict_probabilities(pixels.reshape(-1, *model.classes.image_shape))

    app = build_scoring_app(model.description, predict)
    app.add_route("/", explain)
    app.add_route("/example", send_example)
    app.add_route("/classes", name_classes)
    app.middleware("http")(_RequestLimits())
    return app


class _RequestLimits:
    """Rejects requests that MLflow would read completely, or answer with status 500.

    These are a POST of another content type or too large, JSON that is nested too deep, and
    numbers of thousands of digits. Few requests are read and computed at a time; the others wait.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_PARALLEL)

    async def __call__(self, request: Any, call_next: Any) -> Any:
        """Answer a request: the interface of Starlette's middleware."""
        if request.method != "POST":
            return await call_next(request)
        rejection = _rejection(request)
        if rejection is not None:
            return rejection
        async with self._free:
            return await _answer(request, call_next)


def _rejection(request: Any) -> Any:
    """Return the response to a POST with a wrong header; None if it is to be read."""
    from starlette.responses import JSONResponse

    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        message = (
            f"expected a header Content-Type: application/json. Received: {content_type or 'none'}"
        )
        return JSONResponse({"message": message}, status_code=415)
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
        message = f"expected a Content-Length of at most {MAX_REQUEST_BYTES} bytes"
        return JSONResponse({"message": message}, status_code=413 if length else 411)
    return None


async def _answer(request: Any, call_next: Any) -> Any:
    from starlette.requests import ClientDisconnect
    from starlette.responses import JSONResponse

    try:
        await request.body()
        return await call_next(request)
    except ClientDisconnect:
        return JSONResponse({"message": "the client has gone"}, status_code=400)
    except (RecursionError, ValueError) as error:
        message = f"expected JSON with images of raw pixels. Received: {error}"
        return JSONResponse({"message": message}, status_code=400)
