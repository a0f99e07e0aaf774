"""The figure of a data set: images of each class."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Examples:
    """Training images of each class.

    data_name: of the data set. images: uint8 [num_shown_classes, 10, height, width, channels];
    missing ones have the color of the background. class_names: of all classes.
    """

    data_name: str
    images: np.ndarray
    class_names: Sequence[str]


def draw_examples(title: str, data: Data) -> "Figure":
    """Draw ten training images of each class, a class in each row.

    Args:
        title: names the run or the data set.
    """
    return draw_chosen_examples(title, choose_examples(data))


def choose_examples(data: Data) -> Examples:
    """Return the first ten training images of each class, for up to 64 classes."""
    shown = min(data.num_classes, MAX_CLASSES)
    background = 0 if data.image_shape[-1] == 1 else 255
    images = np.full((shown, IMAGES_PER_CLASS, *data.image_shape), background, "u1")
    for number in range(shown):
        chosen = np.flatnonzero(data.train.labels == number)[:IMAGES_PER_CLASS]
        images[number, : len(chosen)] = data.train.images[chosen]
    return Examples(data.name, images, data.class_names)


def draw_chosen_examples(title: str, examples: Examples, what: str = "images") -> "Figure":
    """Draw images of each class, a class in each row.

    Args:
        title: names the run or the data set.
        what: the images are.
    """
    shown, _, height, width, channels = examples.images.shape
    images = examples.images.reshape(-1, height, width, channels)
    images = 255 - images[..., 0] if channels == 1 else images
    picture, _ = arrange_in_grid(images, IMAGES_PER_CLASS, margin=MARGIN)
    row_width = ROW_INCHES * (width + MARGIN) / (height + MARGIN) * IMAGES_PER_CLASS
    figure = new_figure((row_width + 1.6, ROW_INCHES * shown + 0.7))
    axes = figure.subplots()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, aspect="equal")
    centers = np.arange(shown) * (height + MARGIN) + height / 2
    axes.set_yticks(centers, examples.class_names[:shown])
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    num_classes = len(examples.class_names)
    more = "" if shown == num_classes else f", the first {shown} of {num_classes}"
    ink = "; pixels of 0 are white" if channels == 1 else ""
    write_title(figure, title, f"{examples.data_name}: training {what} of each class{more}{ink}")
    return figure
