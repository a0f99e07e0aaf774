"""Find or download the files of a data set, and read and verify IDX files.

The IDX format is described at http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8:
unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit number, then the
values.
"""

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mnistexp.data.cifar_binary import CIFAR_FILES
from mnistexp.data.download import download_files, is_archive, unpack_files
from mnistexp.errors import DataError
from mnistexp.file_writing import cache_folder

DATASETS = Path(__file__).parent.parent / "datasets"
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SYSTEM_FOLDER = Path("/usr/share/datasets")
"""Debian's packages of data sets install their files below it: `fashion-mnist`."""
MAX_DIMENSIONS = 3
MAX_VALUES = 2**30
"""1.4 million images. A small gzip file may unpack to more than the memory holds."""


@dataclass(frozen=True)
class DataFile:
    """A file in its current state."""

    path: Path
    num_bytes: int
    modified_ns: int


def find_files(name: str, directory: str | None, url: str | None) -> Path:
    """Return the folder with the files; download missing files into the cache.

    Args:
        name: of the data set.
        directory: the folder, or file, if given. Otherwise the package, a package of Debian, then
            the cache.
        url: where to download missing files from: a folder, or a .zip or .tar.gz archive.

    Raises:
        DataError: files are missing and cannot be downloaded.
    """
    if directory is not None:
        return Path(directory).expanduser()
    folders = possible_folders(name)
    complete = next((folder for folder in folders if _is_complete(folder, name)), None)
    if complete is not None:
        return complete
    cache = folders[-1]
    if url is None:
        missing = [file for file in FILES if _find_file(cache, file) is None]
        raise DataError(
            f"data.directory: expected a folder with {', '.join(missing)}, plain or .gz, since the "
            f"package does not contain the data set {name!r}. Use data.directory=FOLDER"
        )
    if is_archive(url):
        _download_archive(name, url, cache)
    else:
        _download_idx_files(name, url, cache)
    return cache


def possible_folders(name: str) -> tuple[Path, Path, Path]:
    """Return where the files of a data set may be: the package, a package of Debian, the cache."""
    return DATASETS / name, SYSTEM_FOLDER / name.replace("_", "-"), cache_folder() / name


def has_data_files(folder: Path, name: str) -> bool:
    """Return whether a folder has at least one file of a data set."""
    return any(_find_file(folder, file) is not None for files in _formats(name) for file in files)


def _is_complete(folder: Path, name: str) -> bool:
    """Return whether a folder has all files of a data set, in one of the formats."""
    return any(
        all(_find_file(folder, file) is not None for file in files) for files in _formats(name)
    )


def _formats(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the names of the files of each format: of MNIST, EMNIST and CIFAR-10."""
    return FILES, _emnist_names(name.replace("_", "-")), CIFAR_FILES


def list_idx_files(folder: Path, name: str) -> tuple[DataFile, ...]:
    """Return the four IDX files in the order of `FILES`; nothing if the folder has none.

    They have MNIST's names, or those of EMNIST: `emnist-letters-train-images-idx3-ubyte`.

    Args:
        name: of the data set, `emnist_letters`, if the folder contains several.

    Raises:
        DataError: the folder has some of them only.
    """
    names = next((names for names in _possible_names(folder, name) if _any(folder, names)), ())
    missing = [file for file in names if _find_file(folder, file) is None]
    if missing:
        raise _lacks(folder, [f"{file}[.gz]" for file in missing])
    return tuple(describe_file(_find_file(folder, file) or folder) for file in names)


def _possible_names(folder: Path, name: str) -> list[tuple[str, ...]]:
    """Return the names of the four files: MNIST's, then EMNIST's for each of its sets."""
    end = f"-{FILES[0]}"
    prefixes = sorted(
        {file.name.removesuffix(".gz").removesuffix(end) for file in folder.glob(f"*{end}*")}
    )
    own = name.replace("_", "-")
    chosen = [own] if own in prefixes else prefixes
    if len(chosen) > 1:
        raise DataError(
            f"data.name: expected one of {', '.join(p.replace('-', '_') for p in prefixes)}, the "
            f"data sets in {folder}. Received: {name}"
        )
    emnist = [_emnist_names(prefix) for prefix in chosen]
    return emnist if own in prefixes else [FILES, *emnist]


def _emnist_names(prefix: str) -> tuple[str, ...]:
    """Return the names of the four files of a set of EMNIST, `emnist-letters`."""
    return tuple(f"{prefix}-{file.replace('t10k', 'test')}" for file in FILES)


def _any(folder: Path, names: tuple[str, ...]) -> bool:
    return any(_find_file(folder, name) is not None for name in names)


def list_cifar_files(folder: Path) -> tuple[DataFile, ...]:
    """Return the six files of CIFAR-10's binary version; nothing if the folder has none.

    Raises:
        DataError: the folder has some of them only.
    """
    missing = [file for file in CIFAR_FILES if not (folder / file).is_file()]
    if len(missing) == len(CIFAR_FILES):
        return ()
    if missing:
        raise _lacks(folder, missing)
    return tuple(describe_file(folder / file) for file in CIFAR_FILES)


def _lacks(folder: Path, missing: list[str]) -> DataError:
    return DataError(
        f"data.directory: expected {', '.join(missing)}. "
        f"Received: {folder.absolute()}, which lacks them"
    )


def describe_file(path: Path) -> DataFile:
    """Return a file with its size and time."""
    status = path.stat()
    return DataFile(path, status.st_size, status.st_mtime_ns)


def read_checksums(name: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a data set; {} for an unknown one.

    A name that ends in .gz stands for the compressed file, for which alone a checksum is published.
    """
    listing = DATASETS / name / "SHA256SUMS"
    if not listing.is_file():
        return {}
    lines = [line.split() for line in listing.read_text().splitlines()]
    return {file: checksum for checksum, file in lines}


def read_idx(path: Path, expected_checksum: str | None) -> tuple[np.ndarray, str]:
    """Read one file, plain or .gz.

    Returns:
        The uint8 array, and the SHA-256 of the unpacked file in hexadecimal.

    Raises:
        DataError: the file cannot be read, is not an IDX file of bytes, or its checksum is wrong.
    """
    payload, shape = _read_payload(path, str(path), is_gzip=path.suffix == ".gz")
    checksum = hashlib.sha256(payload).hexdigest()
    if expected_checksum is not None and checksum != expected_checksum:
        raise DataError(
            f"{path}: expected SHA-256 {expected_checksum} (unpacked). Received: {checksum}. "
            f"{_REMEDY}"
        )
    offset = _header_length(len(shape))
    if len(payload) != offset + math.prod(shape):
        raise DataError(
            f"{path}: expected {shape} values, the shape in its header. "
            f"Received: {'more' if len(payload) > offset + math.prod(shape) else len(payload)} "
            "bytes in total"
        )
    return np.frombuffer(payload, np.uint8, offset=offset).reshape(shape), checksum


_REMEDY = (
    "The file is damaged or not the original: delete or replace it. "
    "For your own files use another data.name"
)


def _read_payload(path: Path, name: str, *, is_gzip: bool) -> tuple[bytes, tuple[int, ...]]:
    """Return the unpacked bytes, and the shape in the header.

    The header is read first, because it bounds what is unpacked: one byte more at most.

    Args:
        name: of the file, for messages.
    """
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as stream:
            header = stream.read(4)
            header += stream.read(4 * header[3]) if len(header) == 4 else b""
            shape = _parse_header(header, name)
            return header + stream.read(math.prod(shape) + 1), shape
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: expected an IDX file. Received: {error}. {_REMEDY}") from error


def _parse_header(header: bytes, name: str) -> tuple[int, ...]:
    """Return the shape of the values. Its size is bounded."""
    if len(header) < 4 or header[:3] != b"\x00\x00\x08":
        raise DataError(f"{name}: expected an IDX file of unsigned bytes. Received: another format")
    num_dimensions = header[3]
    if not 1 <= num_dimensions <= MAX_DIMENSIONS or len(header) < _header_length(num_dimensions):
        raise DataError(
            f"{name}: expected 1 dimension for labels or {MAX_DIMENSIONS} for images. Received: a "
            f"header of {len(header)} bytes for {num_dimensions} dimensions"
        )
    shape = struct.unpack_from(f">{num_dimensions}I", header, 4)
    # NumPy also refuses an empty array whose other dimensions are too large.
    if math.prod(max(size, 1) for size in shape) > MAX_VALUES:
        raise DataError(
            f"{name}: expected at most {MAX_VALUES:,} values. Received: a header for {shape}"
        )
    return shape


def _header_length(num_dimensions: int) -> int:
    return 4 + 4 * num_dimensions


def _find_file(folder: Path, name: str) -> Path | None:
    """Return the path of the file, plain or gzip; None if it is missing."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def verify_checksum(path: Path, expected: str | None, name: str) -> None:
    """Compare the SHA-256 of a file, as it is on the disk, with the expected one.

    Args:
        expected: in hexadecimal; None accepts every file.
        name: of the file, for messages.

    Raises:
        DataError: it differs, or the file cannot be read.
    """
    if expected is None:
        return
    try:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{name}: expected a file. Received: {error.strerror}") from error
    if checksum != expected:
        raise DataError(f"{name}: expected SHA-256 {expected}. Received: {checksum}. {_REMEDY}")


def _download_idx_files(name: str, url: str, folder: Path) -> None:
    """Download those of the four files, `train-images-idx3-ubyte.gz`, that the folder lacks."""
    missing = [file for file in FILES if _find_file(folder, file) is None]
    download_files(
        {f"{url.rstrip('/')}/{file}.gz": folder / f"{file}.gz" for file in missing},
        partial(_verify_idx_file, read_checksums(name)),
        f"copy the files {', '.join(f'{file}.gz' for file in missing)} to {folder}, or set "
        "data.directory=FOLDER to the folder that contains them",
    )


def _verify_idx_file(checksums: dict[str, str], address: str, path: Path) -> None:
    payload, _ = _read_payload(path, address, is_gzip=True)
    compressed = address.rsplit("/", 1)[-1]
    expected = checksums.get(compressed.removesuffix(".gz"))
    checksum = hashlib.sha256(payload).hexdigest()
    if expected is not None and checksum != expected:
        raise DataError(f"{address}: expected SHA-256 {expected} (unpacked). Received: {checksum}")
    verify_checksum(path, checksums.get(compressed), address)


def _download_archive(name: str, url: str, folder: Path) -> None:
    """Download an archive, and unpack the files of one data set.

    The archive is kept, because it may contain others: that of EMNIST contains six.
    """
    file = url.rsplit("/", 1)[-1]
    # Archives of two addresses may have one name.
    archive = cache_folder() / "archives" / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{file}"
    checksum = read_checksums(name).get(file)
    if not archive.is_file():
        download_files(
            {url: archive},
            lambda address, part: verify_checksum(part, checksum, address),
            "download it elsewhere, unpack it, and set data.directory=FOLDER to the folder that "
            "contains the unpacked files",
        )
    names = [file for files in _formats(name) for file in files]
    unpack_files(archive, [*names, *(f"{file}.gz" for file in names)], folder)
    if not _is_complete(folder, name):
        raise DataError(
            f"{url}: expected an archive with the files of {name}, with the names of MNIST, EMNIST "
            "or CIFAR-10. Received: one without them"
        )
