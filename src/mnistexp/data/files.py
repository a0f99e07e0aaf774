"""Find, download, read and verify the IDX files.

The format is described at http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8: unsigned
byte), the number of dimensions, each dimension as a big-endian 32-bit number, then the values.
"""

import gzip
import hashlib
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


@dataclass(frozen=True)
class DataFile:
    """One of the four files in its current state, plain or gzip."""

    path: Path
    num_bytes: int
    modified_ns: int


def find_files(name: str, directory: str | None, url: str | None) -> Path:
    """Return the folder with the four files; download missing files into the cache.

    Args:
        name: of the data set.
        directory: the only folder to search, if given. Otherwise the package, then the cache.
        url: where to download missing files from.

    Raises:
        DataError: files are missing and cannot be downloaded.
    """
    if directory is not None:
        folder = Path(directory).expanduser()
        missing = [file for file in FILES if _find_file(folder, file) is None]
        if missing:
            raise DataError(
                f"data.directory: expected {', '.join(missing)}, plain or .gz. "
                f"Received: {folder.absolute()}, which lacks them"
            )
        return folder
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


def list_data_files(folder: Path) -> tuple[DataFile, ...]:
    """Return the four files in the order of `FILES`.

    Raises:
        DataError: one of them is missing.
    """
    return tuple(_read_status(folder, name) for name in FILES)


def _read_status(folder: Path, name: str) -> DataFile:
    path = _find_file(folder, name)
    if path is None:
        raise DataError(f"{folder / name}: expected an IDX file, plain or .gz. Received: no file")
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
    try:
        payload = path.read_bytes()
        if path.suffix == ".gz":
            payload = gzip.decompress(payload)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected an IDX file. Received: {error}. {_REMEDY}") from error
    checksum = hashlib.sha256(payload).hexdigest()
    if expected_checksum is not None and checksum != expected_checksum:
        raise DataError(
            f"{path}: expected SHA-256 {expected_checksum} (unpacked). Received: {checksum}. "
            f"{_REMEDY}"
        )
    return _parse_idx(payload, path), checksum


_REMEDY = (
    "The file is damaged or not the original: delete or replace it. "
    "For your own files use another data.name"
)


def _parse_idx(payload: bytes, path: Path) -> np.ndarray:
    if len(payload) < 4 or payload[:3] != b"\x00\x00\x08":
        raise DataError(f"{path}: expected an IDX file of unsigned bytes. Received: another format")
    num_dimensions = payload[3]
    offset = 4 + 4 * num_dimensions
    shape = struct.unpack_from(f">{num_dimensions}I", payload, 4) if len(payload) >= offset else ()
    if len(payload) - offset != np.prod(shape, dtype=np.int64) or not shape:
        raise DataError(
            f"{path}: expected {shape} values, the shape in its header. "
            f"Received: {len(payload)} bytes in total"
        )
    return np.frombuffer(payload, np.uint8, offset=offset).reshape(shape)


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
    try:
        checksum = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{address}: expected a gzip file. Received: {error}") from error
    if expected_checksum is not None and checksum != expected_checksum:
        raise DataError(
            f"{address}: expected SHA-256 {expected_checksum} (unpacked). Received: {checksum}"
        )
