"""The web application of the drawing page."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from mnistexp.errors import ImageError
from mnistexp.inference.classification import Prediction, ScoringPredictor
from mnistexp.inference.preprocessing import OUTPUT_SIDE

PAGE = Path(__file__).parent / "page"
MAX_BYTES = 4 * 2**20
"""Largest size of a drawing; the page sends about 20 kB."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:",
    "Cache-Control": "no-store",
}


def build_app(model: ScoringPredictor, title: str) -> Any:
    """Build the ASGI application.

    `GET /` returns the page. `POST /predict` takes the content of an image file and returns JSON:
    `status`, `text`, and `digits` from left to right: `image`, the preprocessed image as a data
    URL, `probabilities` (ten) and `is_digit`. The status code is 400 if the content is not an
    image, 413 if it is too large.

    Args:
        title: the name of the model on the page.
    """
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    # The first call compiles the model, which would delay the first answer.
    model.predict_and_score(np.zeros((1, OUTPUT_SIDE, OUTPUT_SIDE, 1), "u1"))
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
            return JSONResponse(await asyncio.to_thread(_predict_drawing, model, content))
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


def _predict_drawing(model: ScoringPredictor, content: bytes) -> dict[str, Any]:
    from mnistexp.inference.classification import read_pictures
    from mnistexp.inference.image_io import decode_image
    from mnistexp.inference.preprocessing import find_digits

    (reading,) = read_pictures(model, [find_digits(decode_image(content, "drawing"))])
    digits = [_to_dict(prediction) for prediction in reading.predictions]
    return {"status": reading.status, "text": str(reading), "digits": digits}


def _to_dict(prediction: Prediction) -> dict[str, Any]:
    return {
        "image": _data_url(prediction.image),
        "probabilities": list(prediction.probabilities),
        "is_digit": prediction.is_recognized,
    }


def _data_url(image: np.ndarray) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
