"""Train, validation and test."""

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
    Stored,
    find_files,
    read_checksums,
    read_idx,
    stored_files,
)
from mnistexp.errors import ConfigError, DataError
from mnistexp.schema import Count, Positive, Section

NUM_CLASSES = 10
Slice = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]],
    Strict(False),
]


class DataConfig(Section):
    """A data set of four IDX files and how it is split."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    """`mnist` ships with the package, `fashion_mnist` is downloaded; others need `directory`."""
    directory: str | None = None
    """A folder with the four IDX files, plain or gzip. Default: the package, or the cache."""
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Where the files are downloaded from, once, if they are not here."""
    validation_size: Annotated[int, Field(ge=0)] = 5_000
    """The first so many training images are for validation, whatever the seed."""
    train_size: Count | None = None
    """Train on so many images only, the classes in proportion. Default: all that remain."""
    test_slice: Slice | None = None
    """[start, end] of the test images, counted from 0, end excluded. Default: all."""
    scale: Positive = 255.0
    """Pixels (0 to 255) are divided by it."""

    @field_validator("test_slice")
    @classmethod
    def _start_before_end(cls, test_slice: tuple[int, int] | None) -> tuple[int, int] | None:
        if test_slice and test_slice[0] >= test_slice[1]:
            raise ConfigError(
                f"data.test_slice: expected start < end. Received: {list(test_slice)}"
            )
        return test_slice


@dataclass(frozen=True)
class Split:
    """Images and what they show.

    images: uint8, [num_images, 28, 28, 1], dark 0 to light 255 as in the files.
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
        DataError: a file is missing, corrupt, or not what its name says.
        ConfigError: the splits are larger than the data.
    """
    folder = find_files(config.name, config.directory, config.url)
    training, test, digest = _read(config.name, folder, stored_files(folder))
    return Data(
        name=config.name,
        train=_stratified(training[config.validation_size :], config, len(training)),
        validation=training[: config.validation_size],
        test=_sliced(test, config.test_slice),
        digest=digest,
    )


@lru_cache(maxsize=1)
def _read(name: str, folder: Path, files: tuple[Stored, ...]) -> tuple[Split, Split, str]:
    """Training images, test images and the digest; read again only if a file has changed.

    The runs of a sweep share the arrays, which cannot be written to.
    """
    checksums = read_checksums(name)
    with ThreadPoolExecutor(len(FILES)) as pool:
        paths = [file.path for file in files]
        loaded = list(pool.map(read_idx, paths, map(checksums.get, FILES)))
    arrays = {file: array for file, (array, _) in zip(FILES, loaded, strict=True)}
    digest = hashlib.sha256("".join(checksum for _, checksum in loaded).encode()).hexdigest()
    return _labelled(arrays, "train", folder), _labelled(arrays, "t10k", folder), digest


def _labelled(arrays: Mapping[str, np.ndarray], prefix: str, folder: Path) -> Split:
    images = arrays[f"{prefix}-images-idx3-ubyte"]
    labels = arrays[f"{prefix}-labels-idx1-ubyte"]
    if images.shape[1:] != (28, 28):
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
    if labels.size and labels.max() >= NUM_CLASSES:
        raise DataError(f"{folder}: expected labels from 0 to 9. Received: {labels.max()}")
    return Split(images[..., np.newaxis], labels)


def _stratified(remaining: Split, config: DataConfig, num_training: int) -> Split:
    """The first images of each class, in the order of the file, so that all classes are there."""
    if not len(remaining):
        raise ConfigError(
            f"data.validation_size: expected fewer than the {num_training} training images. "
            f"Received: {config.validation_size}"
        )
    if config.train_size is None:
        return remaining
    if config.train_size > len(remaining):
        raise ConfigError(
            f"data.train_size: expected at most the {len(remaining)} images that are not for "
            f"validation. Received: {config.train_size}"
        )
    counts = _proportional(np.bincount(remaining.labels, minlength=NUM_CLASSES), config.train_size)
    chosen = [
        np.flatnonzero(remaining.labels == label)[:count] for label, count in enumerate(counts)
    ]
    return remaining[np.sort(np.concatenate(chosen))]


def _proportional(class_sizes: np.ndarray, total: int) -> np.ndarray:
    """How many of each class make `total` in proportion: the largest remainders are rounded up."""
    exact = class_sizes * total / class_sizes.sum()
    counts: np.ndarray = exact.astype(int)
    largest_remainders = np.argsort(counts - exact, kind="stable")
    counts[largest_remainders[: total - counts.sum()]] += 1
    return counts


def _sliced(test: Split, test_slice: tuple[int, int] | None) -> Split:
    if test_slice is None:
        return test
    start, end = test_slice
    if end > len(test):
        raise ConfigError(
            f"data.test_slice: expected an end of at most {len(test)}, the number of test images. "
            f"Received: {[start, end]}"
        )
    return test[start:end]
