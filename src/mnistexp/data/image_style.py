"""How gray training images show an object: the gray of background and object, and its size."""

from dataclasses import dataclass

import numpy as np

NUM_SAMPLES = 1_000
"""Images that are measured, the first ones."""
OBJECT_THRESHOLD = 0.25
"""Pixels that differ by more than this part of the contrast from the background are the object."""


@dataclass(frozen=True)
class ImageStyle:
    """How an object is shown.

    background, foreground: gray, 0 to 255, of the pixels around the object and of the object.
    extent: the longer side of the object's bounding box relative to that of the image, 0 to 1.
    """

    background: int
    foreground: int
    extent: float


MNIST_STYLE = ImageStyle(background=0, foreground=255, extent=20 / 28)


def measure_image_style(images: np.ndarray) -> ImageStyle:
    """Measure the first images. All values are medians over the images.

    Args:
        images: uint8 [num_images, height, width, 1].
    """
    pixels = images[:NUM_SAMPLES, ..., 0].astype("i2")
    border = np.concatenate(
        [pixels[:, 0], pixels[:, -1], pixels[:, 1:-1, 0], pixels[:, 1:-1, -1]], axis=1
    )
    background = int(np.median(border))
    is_lighter = (pixels - background).mean() >= 0
    extremes = (pixels.max if is_lighter else pixels.min)(axis=(1, 2))
    foreground = int(np.median(extremes))
    contrast = abs(foreground - background)
    is_object = abs(pixels - background) > OBJECT_THRESHOLD * contrast
    extent = max(_median_length(np.any(is_object, axis=axis)) for axis in (1, 2))
    return ImageStyle(background, foreground, extent)


def _median_length(is_object: np.ndarray) -> float:
    """Return the median distance from the first to the last true value of a row, 0 to 1."""
    present = is_object[is_object.any(axis=1)]
    if not len(present):
        return 1.0
    length = present.shape[1]
    first, last = present.argmax(axis=1), length - 1 - present[:, ::-1].argmax(axis=1)
    return float(np.median(last - first + 1) / length)
