"""The web application of the drawing page."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from mnistexp.errors import ImageError
from mnistexp.inference.classification import Prediction
from mnistexp.inference.model_loading import TrainedModel

PAGE = Path(__file__).parent / "page"
MAX_BYTES = 4 * 2**20
"""Largest size of a drawing; the page sends about 20 kB."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:",
    "Cache-Control": "no-store",
}


def build_app(model: TrainedModel, title: str) -> Any:
    """Build the ASGI application.

    `GET /` returns the page. `POST /predict` takes the content of an image file and returns JSON:
    `status`, `text`, and `objects`, the digits from left to right or the whole drawing: `image`,
    the preprocessed image as a data URL, `probabilities` of the classes and `is_recognized`. The
    status code is 400 if the content is not an image, 413 if it is too large.

    Args:
        model: of gray images.
        title: the name of the model on the page.
    """
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    # The first call compiles the model, which would delay the first answer.
    model.predict_and_score(np.zeros((1, *model.classes.image_shape), "u1"))
    page = _page(model, title)

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


def _page(model: TrainedModel, title: str) -> str:
    from html import escape

    height, width, _ = model.classes.image_shape
    values = {
        "title": title,
        "noun": "digit" if model.reads_digits else "picture",
        "class_names": json.dumps(model.classes.class_names),
        "size": f"{height}×{width}",
    }
    page = (PAGE / "index.html").read_text()
    # In one pass, because a name may contain the sign of another value.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: escape(values[match[1]]), page)


def _predict_drawing(model: TrainedModel, content: bytes) -> dict[str, Any]:
    from mnistexp.inference.classification import read_pictures
    from mnistexp.inference.image_io import decode_image
    from mnistexp.inference.picture_input import prepare_drawing

    drawing = prepare_drawing(model, decode_image(content, "drawing"))
    (reading,) = read_pictures(model, [drawing], model.classes.class_names)
    is_blank = not drawing and not model.reads_digits
    return {
        "status": reading.status,
        "text": "nothing is drawn" if is_blank else str(reading),
        "objects": [_to_dict(prediction) for prediction in reading.predictions],
    }


def _to_dict(prediction: Prediction) -> dict[str, Any]:
    return {
        "image": _data_url(prediction.image),
        "probabilities": list(prediction.probabilities),
        "is_recognized": prediction.is_recognized,
    }


def _data_url(image: np.ndarray) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
