"""MLflow's scoring server for a trained model."""

from typing import TYPE_CHECKING, Any

from mnistexp.inference.mlflow_private import build_scoring_app
from mnistexp.schema import IMAGE_SHAPE

if TYPE_CHECKING:
    from mnistexp.inference import TrainedModel

MAX_REQUEST_BYTES = 64 * 2**20
"""About 20,000 images as JSON."""


def build_app(model: "TrainedModel") -> Any:
    """Build the ASGI application with `/health`, `/version` and `/invocations`.

    MLflow documents these and checks requests against the stored signature.
    """
    app = build_scoring_app(
        model.description,
        lambda pixels: model.predict_probabilities(pixels.reshape(-1, *IMAGE_SHAPE)),
    )
    app.middleware("http")(_reject_invalid_headers)
    return app


async def _reject_invalid_headers(request: Any, call_next: Any) -> Any:
    """Reject a POST without content type, or too large: MLflow would answer 500 or read it all."""
    from starlette.responses import JSONResponse

    if request.method == "POST":
        if not request.headers.get("content-type"):
            message = "expected a header Content-Type: application/json"
            return JSONResponse({"message": message}, status_code=415)
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
            message = f"expected a Content-Length of at most {MAX_REQUEST_BYTES} bytes"
            return JSONResponse({"message": message}, status_code=413 if length else 411)
    return await call_next(request)
