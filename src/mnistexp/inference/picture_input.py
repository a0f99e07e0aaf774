"""Turn a picture into the inputs of a model: its digits, or the whole picture resized."""

from typing import TYPE_CHECKING

import numpy as np

from mnistexp.inference.preprocessing import find_digits, place_drawing

if TYPE_CHECKING:
    from PIL import Image

    from mnistexp.inference.model_loading import TrainedModel


def prepare_picture(model: "TrainedModel", picture: "Image.Image") -> list[np.ndarray]:
    """Return the inputs of a model for a picture.

    A model of digits receives each digit of the picture, as `find_digits` returns it. Any other
    model receives the whole picture, resized: it must show what the training images show, on a
    similar background.

    Args:
        picture: RGB of any size.

    Returns:
        uint8 [height, width] each for gray images, [height, width, 3] for images with colors.
    """
    if model.reads_digits:
        return find_digits(picture)
    from PIL import Image

    height, width, channels = model.classes.image_shape
    converted = picture.convert("L") if channels == 1 else picture
    return [np.asarray(converted.resize((width, height), Image.Resampling.LANCZOS))]


def prepare_drawing(model: "TrainedModel", drawing: "Image.Image") -> list[np.ndarray]:
    """Return the inputs of a model of gray images for a drawing: its digits, or the whole drawing.

    Args:
        drawing: RGB, dark strokes on white.

    Returns:
        uint8 [height, width] each; nothing if there are no strokes.
    """
    if model.reads_digits:
        return find_digits(drawing)
    height, width, _ = model.classes.image_shape
    placed = place_drawing(drawing, (height, width), model.classes.image_style)
    return [] if placed is None else [placed]
