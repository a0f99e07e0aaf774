"""The server behind the page: it answers drawings with probabilities."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from mnistexp.errors import ImageError
from mnistexp.learner.metrics import Predictor

PAGE = Path(__file__).parent / "page"
MAX_BYTES = 4 * 2**20
"""Of a drawing; the page sends some 20 kB."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:",
    "Cache-Control": "no-store",
}


def build_app(model: Predictor, title: str) -> Any:
    """The ASGI application.

    `GET /` is the page. `POST /predict` takes an image of a drawing, PNG for example, and gives
    JSON: `status`, `probabilities` (ten, or none if no digit was found) and `image`, the 28×28
    pixels as a data URL. Content that is not an image gets status 400, too large content 413.

    Args:
        title: what the page calls the model.
    """
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    # The first call of a model compiles it; nobody should wait for that while drawing.
    model.predict_probabilities(np.zeros((1, 28, 28, 1), "u1"))
    page = _page(title)

    async def index(_: Any) -> Any:
        return HTMLResponse(page, headers=HEADERS)

    async def predict(request: Any) -> Any:
        import asyncio

        content = b""
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_BYTES:
                message = f"expected a drawing of at most {MAX_BYTES} bytes"
                return JSONResponse({"message": message}, status_code=413)
        try:
            return JSONResponse(await asyncio.to_thread(_answer, model, content))
        except ImageError as error:
            return JSONResponse({"message": str(error)}, status_code=400)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/predict", predict, methods=["POST"]),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
    )


def _page(title: str) -> str:
    from html import escape

    return (PAGE / "index.html").read_text().replace("{{title}}", escape(title))


def _answer(model: Predictor, content: bytes) -> dict[str, Any]:
    from mnistexp.inference.classification import classify_images
    from mnistexp.inference.image_io import decode_image
    from mnistexp.inference.preprocessing import preprocess

    (prediction,) = classify_images(model, [preprocess(decode_image(content, "drawing"))])
    return {
        "status": prediction.status,
        "probabilities": list(prediction.probabilities),
        "image": None if prediction.image is None else _data_url(prediction.image),
    }


def _data_url(image: np.ndarray) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
