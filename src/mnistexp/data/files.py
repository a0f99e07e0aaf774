"""Find, download, read and verify the IDX files.

The format is described at http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8: unsigned
byte), the number of dimensions, each dimension as a big-endian 32-bit number, then the values.
"""

import gzip
import hashlib
import math
import os
import shutil
import struct
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.errors import DataError

if TYPE_CHECKING:
    from rich.progress import Progress

DATASETS = Path(__file__).parent.parent / "datasets"
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DOWNLOAD_TIMEOUT_SECONDS = 20
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
        directory: the folder, or file, if given. Otherwise the package, then the cache.
        url: where to download missing files from.

    Raises:
        DataError: files are missing and cannot be downloaded.
    """
    if directory is not None:
        return Path(directory).expanduser()
    if all(_find_file(DATASETS / name, file) for file in FILES):
        return DATASETS / name
    folder = cache_folder() / name
    missing = [file for file in FILES if _find_file(folder, file) is None]
    if missing and url is None:
        raise DataError(
            f"data.directory: expected a folder with {', '.join(missing)}, plain or .gz, since the "
            f"package does not contain the data set {name!r}. Use data.directory=FOLDER"
        )
    if missing:
        _download(missing, str(url), folder, read_checksums(name))
    return folder


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
        raise DataError(
            f"data.directory: expected {', '.join(missing)}, plain or .gz. "
            f"Received: {folder.absolute()}, which lacks them"
        )
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
    emnist = [tuple(f"{p}-{f.replace('t10k', 'test')}" for f in FILES) for p in chosen]
    return emnist if own in prefixes else [FILES, *emnist]


def _any(folder: Path, names: tuple[str, ...]) -> bool:
    return any(_find_file(folder, name) is not None for name in names)


def describe_file(path: Path) -> DataFile:
    """Return a file with its size and time."""
    status = path.stat()
    return DataFile(path, status.st_size, status.st_mtime_ns)


def cache_folder() -> Path:
    """Return the folder of downloaded files: `mnistexp` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mnistexp"


def read_checksums(name: str) -> dict[str, str]:
    """Return the SHA-256 of each unpacked file; {} for an unknown data set."""
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


def _download(names: list[str], url: str, folder: Path, checksums: dict[str, str]) -> None:
    """Download gzip files into the folder. A file gets its final name after its verification."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns) as progress:
        for name in names:
            address = f"{url.rstrip('/')}/{name}.gz"
            part = folder / f"{name}.{os.getpid()}.part"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _fetch(address, part, progress)
                _verify(part, checksums.get(name), address)
                part.replace(folder / f"{name}.gz")
            except (OSError, HTTPException, ValueError) as error:
                raise DataError(
                    f"{address}: download failed ({error}). Without a network, copy the files "
                    f"{', '.join(f'{missing}.gz' for missing in names)} to {folder}, or set "
                    "data.directory=FOLDER to the folder that contains them"
                ) from error
            finally:
                if folder.is_dir():
                    part.unlink(missing_ok=True)


def _fetch(address: str, target: Path, progress: "Progress") -> None:
    from urllib.request import urlopen

    with urlopen(address, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
        size = response.headers.get("Content-Length")
        with (
            progress.wrap_file(
                response,
                total=int(size) if size else None,
                description=address.rsplit("/", 1)[-1],
            ) as stream,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(stream, file)


def _verify(path: Path, expected_checksum: str | None, address: str) -> None:
    payload, _ = _read_payload(path, address, is_gzip=True)
    checksum = hashlib.sha256(payload).hexdigest()
    if expected_checksum is not None and checksum != expected_checksum:
        raise DataError(
            f"{address}: expected SHA-256 {expected_checksum} (unpacked). Received: {checksum}"
        )
