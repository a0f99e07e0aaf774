"""Settings of the data, and the training, validation and test split."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, Strict, field_validator

from mnistexp.data.files import (
    FILES,
    DataFile,
    find_files,
    list_data_files,
    read_checksums,
    read_idx,
)
from mnistexp.errors import ConfigError, DataError
from mnistexp.schema import IMAGE_SHAPE, NUM_CLASSES, Count, Positive, Section

Slice = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]],
    Strict(False),
]


class DataConfig(Section):
    """A data set of four IDX files, its splits and the scale of its pixels."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    """`mnist` is in the package, `fashion_mnist` is downloaded; others need `directory`."""
    directory: str | None = None
    """Folder with the four IDX files, plain or gzip. Default: the package or the cache."""
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Address from which missing files are downloaded once."""
    validation_size: Annotated[int, Field(ge=0)] = 5_000
    """Number of validation images: the first training images, independent of the seed."""
    train_size: Count | None = None
    """Number of training images, with the classes in proportion. Default: all that remain."""
    test_slice: Slice | None = None
    """[start, end] of the test images to use, counted from 0, end excluded. Default: all."""
    scale: Positive = 255.0
    """Divisor of the pixels, which are 0 to 255."""

    @field_validator("test_slice")
    @classmethod
    def _check_start_before_end(cls, test_slice: tuple[int, int] | None) -> tuple[int, int] | None:
        if test_slice and test_slice[0] >= test_slice[1]:
            raise ConfigError(
                f"data.test_slice: expected start < end. Received: {list(test_slice)}"
            )
        return test_slice


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    images: uint8, [num_images, 28, 28, 1], 0 is background and 255 is ink.
    labels: uint8, [num_images], 0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice | np.ndarray) -> "Split":
        return Split(self.images[part], self.labels[part])


@dataclass(frozen=True)
class Data:
    """The three splits of a data set, and the SHA-256 of its files."""

    name: str
    train: Split
    validation: Split
    test: Split
    digest: str


def load_data(config: DataConfig) -> Data:
    """Read the four files, verify them and split them.

    Raises:
        DataError: a file is missing or corrupt, or images and labels do not match.
        ConfigError: the splits are larger than the data.
    """
    folder = find_files(config.name, config.directory, config.url)
    training, test, digest = _read(config.name, folder, list_data_files(folder))
    return Data(
        name=config.name,
        train=_select_stratified(training[config.validation_size :], config, len(training)),
        validation=training[: config.validation_size],
        test=_slice(test, config.test_slice),
        digest=digest,
    )


@lru_cache(maxsize=1)
def _read(name: str, folder: Path, files: tuple[DataFile, ...]) -> tuple[Split, Split, str]:
    """Return training images, test images and the digest. Cached until a file changes.

    The runs of a sweep share the arrays, which are read-only.
    """
    checksums = read_checksums(name)
    with ThreadPoolExecutor(len(FILES)) as pool:
        paths = [file.path for file in files]
        loaded = list(pool.map(read_idx, paths, map(checksums.get, FILES)))
    arrays = {file: array for file, (array, _) in zip(FILES, loaded, strict=True)}
    digest = hashlib.sha256("".join(checksum for _, checksum in loaded).encode()).hexdigest()
    return _build_split(arrays, "train", folder), _build_split(arrays, "t10k", folder), digest


def _build_split(arrays: Mapping[str, np.ndarray], prefix: str, folder: Path) -> Split:
    images = arrays[f"{prefix}-images-idx3-ubyte"]
    labels = arrays[f"{prefix}-labels-idx1-ubyte"]
    if images.shape[1:] != IMAGE_SHAPE[:2]:
        raise DataError(f"{folder}: expected images of 28×28. Received: {images.shape[1:]}")
    if labels.ndim != 1:
        raise DataError(f"{folder}: expected a label per image. Received: shape {labels.shape}")
    if not len(images):
        raise DataError(f"{folder}: expected at least one {prefix} image. Received: none")
    if len(images) != len(labels):
        raise DataError(
            f"{folder}: expected a label for each of {len(images)} {prefix} images. "
            f"Received: {len(labels)}"
        )
    if labels.max() >= NUM_CLASSES:
        raise DataError(
            f"{folder}: expected labels from 0 to {NUM_CLASSES - 1}. Received: {labels.max()}"
        )
    return Split(images[..., np.newaxis], labels)


def _select_stratified(remaining: Split, config: DataConfig, num_training: int) -> Split:
    """Return the first images of each class in proportion, in the order of the file."""
    if not len(remaining):
        raise ConfigError(
            f"data.validation_size: expected fewer than the {num_training} training images. "
            f"Received: {config.validation_size}"
        )
    if config.train_size is None:
        return remaining
    if config.train_size > len(remaining):
        raise ConfigError(
            f"data.train_size: expected at most {len(remaining)}, all images that are not for "
            f"validation. Received: {config.train_size}"
        )
    counts = _proportional_counts(
        np.bincount(remaining.labels, minlength=NUM_CLASSES), config.train_size
    )
    selected = [
        np.flatnonzero(remaining.labels == label)[:count] for label, count in enumerate(counts)
    ]
    return remaining[np.sort(np.concatenate(selected))]


def _proportional_counts(class_sizes: np.ndarray, total: int) -> np.ndarray:
    """Return proportional class counts of sum `total`, with the largest remainders rounded up."""
    exact = class_sizes * total / class_sizes.sum()
    counts: np.ndarray = exact.astype(int)
    largest_remainders = np.argsort(counts - exact, kind="stable")
    counts[largest_remainders[: total - counts.sum()]] += 1
    return counts


def _slice(test: Split, test_slice: tuple[int, int] | None) -> Split:
    if test_slice is None:
        return test
    start, end = test_slice
    if end > len(test):
        raise ConfigError(
            f"data.test_slice: expected an end of at most {len(test)}, the number of test images. "
            f"Received: {[start, end]}"
        )
    return test[start:end]
