"""MLflow's scoring server for a trained model."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mnistexp.inference import TrainedModel

MAX_BYTES = 64 * 2**20
"""Of a request; some 20,000 images as JSON."""


class _Scored:
    """What MLflow asks of a model."""

    def __init__(self, model: "TrainedModel") -> None:
        self._model = model

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        return self._model.predict_probabilities(pixels.reshape(-1, 28, 28, 1))


def build_app(model: "TrainedModel") -> Any:
    """The ASGI application: `/health`, `/version` and `/invocations`, as MLflow documents them.

    MLflow checks requests against the stored signature. Its `load_model` is not used: the model
    comes from `mnistexp.inference`, where nothing is unpickled.
    """
    from mlflow.pyfunc import PyFuncModel, scoring_server

    app = scoring_server.init(PyFuncModel(model.description, _Scored(model)))
    app.middleware("http")(_refuse_early)
    return app


async def _refuse_early(request: Any, call_next: Any) -> Any:
    """4xx for what MLflow would stumble over."""
    from starlette.responses import JSONResponse

    if request.method == "POST":
        if not request.headers.get("content-type"):
            reason = "expected a header Content-Type: application/json"
            return JSONResponse({"message": reason}, status_code=415)
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BYTES:
            reason = f"expected a Content-Length of at most {MAX_BYTES} bytes"
            return JSONResponse({"message": reason}, status_code=413 if length else 411)
    return await call_next(request)
