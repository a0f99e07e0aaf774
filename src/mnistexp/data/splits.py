"""The training, validation and test split of a data set."""

from dataclasses import dataclass

import numpy as np

from mnistexp.data.config import DataConfig
from mnistexp.data.labeled_images import choose_class_names, list_some, number_classes
from mnistexp.data.source import find_source, read_source
from mnistexp.errors import ConfigError


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    images: uint8, [num_images, height, width, channels]; for MNIST [num_images, 28, 28, 1], where 0
    is background and 255 is ink. labels: class numbers, uint8 [num_images], from 0.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice | np.ndarray) -> "Split":
        return Split(self.images[part], self.labels[part])


@dataclass(frozen=True)
class Data:
    """The three splits of a data set, the names of its classes, and the SHA-256 of its content.

    The test split is empty if the run must not read it (`data.use_test=false`).
    """

    name: str
    train: Split
    validation: Split
    test: Split
    digest: str
    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


def load_data(config: DataConfig) -> Data:
    """Read a data set, verify it and split it.

    Raises:
        DataError: a file is missing or corrupt, or images and labels do not match.
        ConfigError: the splits are larger than the data, or the settings are for other classes.
    """
    source = find_source(config)
    raw = read_source(source)
    train_labels, test_labels, labels = number_classes(raw, str(source.path))
    names = choose_class_names(labels, config.class_names, config.num_classes)
    training, test = Split(raw.train.images, train_labels), Split(raw.test.images, test_labels)
    remaining = training[config.validation_size :]
    if not len(remaining):
        raise ConfigError(
            f"data.validation_size: expected fewer than the {len(training)} training images. "
            f"Received: {config.validation_size}"
        )
    _check_classes(remaining, names, config.validation_size)
    return Data(
        name=config.name,
        train=_select_stratified(remaining, config),
        validation=training[: config.validation_size],
        test=_slice(test, config.test_slice) if config.use_test else test[:0],
        digest=raw.digest,
        class_names=names,
    )


@dataclass(frozen=True)
class DataSize:
    """Number of classes, number of training images, and the SHA-256 of the content."""

    num_classes: int
    num_training: int
    digest: str


def measure_data(config: DataConfig) -> DataSize:
    """Read a data set, and return its size. What `load_data` reads afterwards is in memory.

    Raises:
        DataError: see `load_data`.
    """
    source = find_source(config)
    raw = read_source(source)
    _, _, labels = number_classes(raw, str(source.path))
    return DataSize(len(labels), len(raw.train.labels), raw.digest)


def _check_classes(remaining: Split, names: tuple[str, ...], validation_size: int) -> None:
    """Refuse a validation split that takes all images of a class: those of a sorted file."""
    counts = np.bincount(remaining.labels, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if missing:
        raise ConfigError(
            f"data.validation_size: expected a number that leaves training images of each class. "
            f"Received: {validation_size}, which leaves none of {list_some(missing)}. The first "
            "training images are for validation: shuffle them in the file, or use fewer"
        )


def _select_stratified(remaining: Split, config: DataConfig) -> Split:
    """Return the first images of each class in proportion, in the order of the file."""
    if config.train_size is None:
        return remaining
    if config.train_size > len(remaining):
        raise ConfigError(
            f"data.train_size: expected at most {len(remaining)}, all images that are not for "
            f"validation. Received: {config.train_size}"
        )
    counts = _proportional_counts(
        np.bincount(remaining.labels, minlength=config.num_classes), config.train_size
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
