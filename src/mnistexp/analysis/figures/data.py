"""The figure of a data set: images of each class."""

from typing import TYPE_CHECKING

import numpy as np

from mnistexp.analysis.figures.canvas import new_figure, write_title
from mnistexp.data import Data, arrange_in_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES_PER_CLASS = 10
MAX_CLASSES = 64
ROW_INCHES = 0.62
MARGIN = 2
"""Between images, in pixels."""


def draw_examples(title: str, data: Data) -> "Figure":
    """Draw ten training images of each class, a class in each row.

    Args:
        title: names the run or the data set.
    """
    shown = min(data.num_classes, MAX_CLASSES)
    height, width, channels = data.image_shape
    is_gray = channels == 1
    rows = np.full((shown, IMAGES_PER_CLASS, height, width, channels), 0 if is_gray else 255, "u1")
    for number in range(shown):
        shown_images = np.flatnonzero(data.train.labels == number)[:IMAGES_PER_CLASS]
        rows[number, : len(shown_images)] = data.train.images[shown_images]
    images = rows.reshape(-1, height, width, channels)
    images = 255 - images[..., 0] if is_gray else images
    picture, _ = arrange_in_grid(images, IMAGES_PER_CLASS, margin=MARGIN)
    row_width = ROW_INCHES * (width + MARGIN) / (height + MARGIN) * IMAGES_PER_CLASS
    figure = new_figure((row_width + 1.6, ROW_INCHES * shown + 0.7))
    axes = figure.subplots()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, aspect="equal")
    centers = np.arange(shown) * (height + MARGIN) + height / 2
    axes.set_yticks(centers, data.class_names[:shown])
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    more = "" if shown == data.num_classes else f", the first {shown} of {data.num_classes}"
    write_title(figure, title, f"{data.name}: training images of each class{more}")
    return figure
