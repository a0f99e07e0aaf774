"""Find a data set in any of the formats, and read it."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from mnistexp.data.cifar_binary import CIFAR_FILES, read_cifar_file
from mnistexp.data.config import DataConfig
from mnistexp.data.files import (
    DATASETS,
    FILES,
    DataFile,
    describe_file,
    find_files,
    list_cifar_files,
    list_idx_files,
    read_checksums,
    read_idx,
    verify_checksum,
)
from mnistexp.data.labeled_images import LabeledImages, RawData, check_images
from mnistexp.data.npz import read_npz
from mnistexp.data.picture_folder import (
    PictureFolder,
    PictureOptions,
    is_picture_folder,
    list_pictures,
)
from mnistexp.errors import ConfigError, DataError

MAX_NAMED = 3
"""Folders that a message about an unknown format names."""
EXPECTED = (
    "IDX files with the names of MNIST or EMNIST, an .npz file, CIFAR-10's binary files, or a "
    "folder with train/CLASS/*.png"
)


class Source(Protocol):
    """A data set that was found. Equal sources have equal content; they can be hashed."""

    @property
    def path(self) -> Path:
        """The folder or file, for messages."""

    def read(self) -> RawData:
        """Read all images and labels."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class IdxFiles:
    """Four IDX files. name: of the data set; a known one has checksums."""

    name: str
    path: Path
    files: tuple[DataFile, ...]

    def read(self) -> RawData:
        """Read and verify the files."""
        checksums = read_checksums(self.name)

        def read(file: DataFile, name: str) -> tuple[np.ndarray, str]:
            if file.path.suffix == ".gz":
                verify_checksum(file.path, checksums.get(f"{name}.gz"), str(file.path))
            return read_idx(file.path, checksums.get(name))

        with ThreadPoolExecutor(len(self.files)) as pool:
            loaded = list(pool.map(read, self.files, FILES))
        train_images, train_labels, test_images, test_labels = (array for array, _ in loaded)
        return RawData(
            LabeledImages(self._upright(train_images), train_labels),
            LabeledImages(self._upright(test_images), test_labels),
            _digest([checksum for _, checksum in loaded]),
        )

    def _upright(self, images: np.ndarray) -> np.ndarray:
        """Return [num_images, height, width, 1]. EMNIST stores its images column by column."""
        if images.ndim != 3:
            return images
        is_emnist = self.files[0].path.name.startswith("emnist-")
        upright = images.transpose(0, 2, 1) if is_emnist else images
        return upright[..., np.newaxis]


def _digest(checksums: list[str]) -> str:
    return hashlib.sha256("".join(checksums).encode()).hexdigest()


def expected_digest(name: str) -> str | None:
    """Return the SHA-256 of the content of a data set of the package, without reading its files.

    None for other data sets, and for those whose unpacked files have no published checksums.
    """
    checksums = read_checksums(name)
    for files in (FILES, CIFAR_FILES):
        if all(file in checksums for file in files):
            return _digest([checksums[file] for file in files])
    return None


def known_name(digest: str) -> str | None:
    """Return the name of the data set of the package that has this content, if there is one."""
    names = (listing.parent.name for listing in DATASETS.glob("*/SHA256SUMS"))
    return next((name for name in names if expected_digest(name) == digest), None)


@dataclass(frozen=True)
class CifarFiles:
    """The six files of CIFAR-10's binary version. name: of the data set, for its checksums."""

    name: str
    path: Path
    files: tuple[DataFile, ...]

    def read(self) -> RawData:
        """Read and verify the files."""
        checksums = read_checksums(self.name)
        parts = [read_cifar_file(f.path, checksums.get(f.path.name)) for f in self.files]
        images, labels, digests = zip(*parts, strict=True)
        return RawData(
            LabeledImages(np.concatenate(images[:-1]), np.concatenate(labels[:-1])),
            LabeledImages(np.ascontiguousarray(images[-1]), labels[-1]),
            _digest(list(digests)),
        )


@dataclass(frozen=True)
class NpzFile:
    """An `.npz` file."""

    file: DataFile

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    def read(self) -> RawData:
        """Read the arrays."""
        return read_npz(self.path)


def find_source(config: DataConfig) -> Source:
    """Find the files of a data set; download missing ones.

    Raises:
        DataError: there are no such files, or they cannot be downloaded.
        ConfigError: `data.resize` is set for another format than a folder of pictures.
    """
    path = find_files(config.name, config.directory, config.url)
    if is_picture_folder(path):
        options = PictureOptions(config.resize, config.test_fraction, config.split_seed)
        return PictureFolder(path, list_pictures(path), options)
    if config.resize is not None:
        raise ConfigError(
            "data.resize: expected null, since only a folder of pictures is resized. Received: "
            f"{list(config.resize)}"
        )
    if path.is_file() and path.suffix == ".npz":
        return NpzFile(describe_file(path))
    cifar = list_cifar_files(path)
    if cifar:
        return CifarFiles(config.name, path, cifar)
    files = list_idx_files(path, config.name) if path.is_dir() else ()
    if not files:
        raise DataError(
            f"data.directory: expected {EXPECTED}. Received: {path.absolute()}, "
            f"{_describe_content(path)}"
        )
    return IdxFiles(config.name, path, files)


def _describe_content(path: Path) -> str:
    """Return what is at a path that is no data set, and what to do about it."""
    if not path.exists():
        return "which does not exist"
    if path.is_file():
        return "a file of another format"
    folders = sorted(file.name for file in path.iterdir() if file.is_dir())
    if folders:
        named = ", ".join(folders[:MAX_NAMED])
        if path.name == "train":
            return f"with the folders {named}. Set the folder above it: {path.parent}"
        return f"with the folders {named}. Folders of classes belong below {path.name}/train"
    if not any(path.iterdir()):
        return "an empty folder"
    return "a folder of other files. Pictures belong in folders of classes: train/CLASS/"


@lru_cache(maxsize=1)
def read_source(source: Source) -> RawData:
    """Read and check a data set. The last one is kept in memory until a file changes.

    The runs of a sweep share the arrays, which are read-only.

    Raises:
        DataError: a file is damaged, or its content cannot be used.
    """
    data = source.read()
    for part, name in ((data.train, "training"), (data.test, "test")):
        check_images(part, name, str(source.path))
        part.images.setflags(write=False)
    if data.train.images.shape[1:] != data.test.images.shape[1:]:
        raise DataError(
            f"{source.path}: expected test images of the shape of the training images, "
            f"{list(data.train.images.shape[1:])}. Received: {list(data.test.images.shape[1:])}"
        )
    return data
