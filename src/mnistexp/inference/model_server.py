"""MLflow's scoring server for a trained model."""

import asyncio
import json
from collections.abc import Sequence
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
    image_shape = spec.shape[1:]
    images = f"images of shape {_format_shape(['n', *image_shape])} with raw pixels from 0 to 255"
    usage = (
        f'{model}: POST {{"inputs": images}} to /invocations as application/json, {images}. '
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
    app.middleware("http")(_RequestChecks(image_shape))
    return app


class _RequestChecks:
    """Rejects requests that MLflow would read completely, answer with status 500 or not explain.

    These are a POST of another content type or too large, JSON that is nested too deep, numbers of
    thousands of digits, and anything but images of the model's shape. Few requests are read and
    computed at a time; the others wait.
    """

    def __init__(self, image_shape: Sequence[int]) -> None:
        """Args: image_shape: height, width and channels, as in the model's signature."""
        self._image_shape = image_shape
        self._free = asyncio.Semaphore(MAX_PARALLEL)

    async def __call__(self, request: Any, call_next: Any) -> Any:
        """Answer a request: the interface of Starlette's middleware."""
        if request.method != "POST":
            return await call_next(request)
        rejection = _rejection(request)
        if rejection is not None:
            return rejection
        async with self._free:
            return await self._answer(request, call_next)

    async def _answer(self, request: Any, call_next: Any) -> Any:
        from starlette.requests import ClientDisconnect
        from starlette.responses import JSONResponse

        try:
            body = await request.body()
            response = await call_next(request)
            received = (
                _describe_body(body, self._image_shape) if response.status_code == 400 else ""
            )
        except ClientDisconnect:
            return JSONResponse({"message": "the client has gone"}, status_code=400)
        except (RecursionError, ValueError) as error:
            received = f"{error}"
        if not received:
            return response
        message = (
            f'expected JSON {{"inputs": images}}, images of shape '
            f"{_format_shape(['n', *self._image_shape])} with raw pixels from 0 to 255. "
            f"Received: {received}. GET /example returns a request"
        )
        return JSONResponse({"message": message}, status_code=400)


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


def _describe_body(body: bytes, image_shape: Sequence[int]) -> str:
    """Say what a request has instead of images of a shape; an empty string if it has these.

    Raises:
        ValueError: it is not JSON.
    """
    if not body.strip():
        return "an empty request"
    content = json.loads(body)
    if not isinstance(content, dict):
        return f"JSON of type {type(content).__name__}"
    if list(content) not in (["inputs"], ["instances"]):
        return f"the fields {', '.join(content)}" if content else "JSON without fields"
    (inputs,) = content.values()
    if not isinstance(inputs, list) or not inputs:
        return "an empty list" if inputs == [] else f"inputs of type {type(inputs).__name__}"
    try:
        shape = np.shape(inputs)
    except ValueError:
        return "lists of different lengths"
    return "" if shape[1:] == tuple(image_shape) else f"inputs of shape {_format_shape(shape)}"


def _format_shape(shape: Sequence[object]) -> str:
    return f"[{', '.join(map(str, shape))}]"
