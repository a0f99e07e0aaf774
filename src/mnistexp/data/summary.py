"""Describe a data set before anything is trained: classes, pixels and duplicates."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mnistexp.data.splits import Data, Split


@dataclass(frozen=True)
class SplitSummary:
    """A split: the number of images, in all and of each class, and its pixels, from 0 to 255.

    mean, std: over all pixels and channels.
    """

    num_images: int
    class_counts: tuple[int, ...]
    mean: float
    std: float
    lowest: int
    highest: int


@dataclass(frozen=True)
class DataSummary:
    """A data set.

    image_shape: height, width and channels. duplicates: for two splits, `train, test`, the number
    of images of the second one that the first one contains too, pixel for pixel.
    """

    name: str
    digest: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitSummary]
    duplicates: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return asdict(self)


def summarize_data(data: Data) -> DataSummary:
    """Count the images of each class and split, and the images that two splits share."""
    all_splits = {"train": data.train, "validation": data.validation, "test": data.test}
    splits = {name: split for name, split in all_splits.items() if len(split)}
    hashes = {name: _hash_images(split.images) for name, split in splits.items()}
    return DataSummary(
        name=data.name,
        digest=data.digest,
        image_shape=data.image_shape,
        class_names=data.class_names,
        splits={name: _summarize_split(split, data) for name, split in splits.items()},
        duplicates={
            f"{first}, {second}": _count_shared(hashes[first], hashes[second])
            for first, second in combinations(splits, 2)
        },
    )


def _summarize_split(split: Split, data: Data) -> SplitSummary:
    # From a histogram: the mean of bytes as numbers would need eight times the memory.
    counts = np.bincount(split.images.ravel(), minlength=256)
    values, total = np.arange(256), counts.sum()
    mean = float((counts * values).sum() / total)
    variance = float((counts * (values - mean) ** 2).sum() / total)
    present = np.flatnonzero(counts)
    return SplitSummary(
        num_images=len(split),
        class_counts=tuple(np.bincount(split.labels, minlength=data.num_classes).tolist()),
        mean=mean,
        std=variance**0.5,
        lowest=int(present[0]),
        highest=int(present[-1]),
    )


def _count_shared(first: list[bytes], second: list[bytes]) -> int:
    known = set(first)
    return sum(image in known for image in second)


def _hash_images(images: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
