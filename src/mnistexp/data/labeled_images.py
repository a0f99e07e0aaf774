"""Images with their labels as a source contains them, before the labels are numbered."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistexp.errors import ConfigError, DataError

MAX_SIDE = 96
"""Largest height and width of an image, in pixels."""
MAX_CLASSES = 256
"""Class numbers are stored as bytes."""
MAX_LISTED = 5
DIGITS = tuple("0123456789")
"""The names of MNIST's classes."""


@dataclass(frozen=True)
class LabeledImages:
    """Images and labels of one part of a data set.

    images: uint8, [num_images, height, width, channels]. labels: integers or texts, [num_images].
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class RawData:
    """The training and test images of a source, and the SHA-256 of its content."""

    train: LabeledImages
    test: LabeledImages
    digest: str


def check_images(part: LabeledImages, name: str, source: str) -> None:
    """Refuse images of a wrong shape, and images without labels.

    Args:
        name: of the part, `training` or `test`. source: path, for messages.

    Raises:
        DataError: states what is wrong.
    """
    images, labels = part.images, part.labels
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{source}: expected {name} images of one channel (gray) or three (color). "
            f"Received: an array of shape {list(images.shape)}"
        )
    if labels.ndim != 1:
        raise DataError(f"{source}: expected a label per image. Received: shape {labels.shape}")
    if not len(images):
        raise DataError(f"{source}: expected at least one {name} image. Received: none")
    if len(images) != len(labels):
        raise DataError(
            f"{source}: expected a label for each of {len(images)} {name} images. "
            f"Received: {len(labels)}"
        )
    height, width = images.shape[1:3]
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise DataError(
            f"{source}: expected {name} images of at most {MAX_SIDE}×{MAX_SIDE} pixels. Received: "
            f"{height}×{width}"
        )


def number_classes(data: RawData, source: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Number the classes of the training images in the order of their labels.

    Args:
        source: path, for messages.

    Returns:
        Class numbers of training and test images, uint8 [num_images], and the labels of the
        classes as texts.

    Raises:
        DataError: a label of a test image is not among those of the training images, or there are
            too many classes, or only one.
    """
    labels, train = np.unique(data.train.labels, return_inverse=True)
    if not 2 <= len(labels) <= MAX_CLASSES:
        raise DataError(
            f"{source}: expected training images of 2 to {MAX_CLASSES} classes. "
            f"Received: {len(labels)}"
        )
    unknown = np.setdiff1d(data.test.labels, labels)
    if len(unknown):
        raise DataError(
            f"{source}: expected test images of the classes of the training images. "
            f"Received: test images of {list_some([str(label) for label in unknown])}"
        )
    test = np.searchsorted(labels, data.test.labels)
    return train.astype("u1"), test.astype("u1"), tuple(str(label) for label in labels)


def choose_class_names(
    labels: tuple[str, ...], names: Sequence[str] | None, num_classes: int
) -> tuple[str, ...]:
    """Return the names of the settings, else the labels.

    Args:
        names: from `data.class_names`. num_classes: from `data.num_classes`.

    Raises:
        ConfigError: the settings are for another number of classes.
    """
    if num_classes != len(labels):
        raise ConfigError(
            f"data.num_classes: expected {len(labels)}, the number of classes of the training "
            f"images. Received: {num_classes}. Remove the setting: it is read from the data"
        )
    if names is not None and len(names) != len(labels):
        raise ConfigError(
            f"data.class_names: expected {len(labels)} names, one for each class. "
            f"Received: {len(names)}"
        )
    return labels if names is None else tuple(names)


def class_noun(class_names: Sequence[str]) -> str:
    """Return what the classes are called in figures: `digit` for those of MNIST, else `class`."""
    return "digit" if tuple(class_names) == DIGITS else "class"


def list_some(items: Sequence[str]) -> str:
    """Return `a, b and 3 more`: the first items, and how many more there are."""
    shown = ", ".join(items[:MAX_LISTED])
    more = len(items) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
