"""The IDX files: finding, downloading, reading and verifying them.

The format is that of http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8: unsigned
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
class Stored:
    """One of the four files as it lies in a folder, plain or gzip, at its present state."""

    path: Path
    num_bytes: int
    changed_ns: int


def find_files(name: str, directory: str | None, url: str | None) -> Path:
    """The folder with the four files: `directory`, the package, or the cache, filled if need be.

    Raises:
        DataError: files are missing, and cannot be downloaded.
    """
    if directory is not None:
        folder = Path(directory).expanduser()
        missing = [file for file in FILES if _stored(folder, file) is None]
        if missing:
            raise DataError(
                f"data.directory: expected {', '.join(missing)}, plain or .gz. "
                f"Received: {folder.absolute()}, which lacks them"
            )
        return folder
    if all(_stored(DATASETS / name, file) for file in FILES):
        return DATASETS / name
    folder = cache_folder() / name
    missing = [file for file in FILES if _stored(folder, file) is None]
    if missing and url is None:
        raise DataError(
            f"data.directory: data set {name!r} does not ship with mnistexp, so give the folder "
            f"that has {', '.join(missing)}, plain or .gz: data.directory=FOLDER"
        )
    if missing:
        _download(missing, str(url), folder, read_checksums(name))
    return folder


def stored_files(folder: Path) -> tuple[Stored, ...]:
    """The four files, in the order of `FILES`.

    Raises:
        DataError: one of them is not there.
    """
    return tuple(_look_at(folder, name) for name in FILES)


def _look_at(folder: Path, name: str) -> Stored:
    path = _stored(folder, name)
    if path is None:
        raise DataError(f"{folder / name}: expected an IDX file, plain or .gz. Received: no file")
    status = path.stat()
    return Stored(path, status.st_size, status.st_mtime_ns)


def cache_folder() -> Path:
    """Where downloads are kept: `mnistexp` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mnistexp"


def read_checksums(name: str) -> dict[str, str]:
    """SHA-256 of each unpacked file of a data set that we know, else nothing."""
    listing = DATASETS / name / "SHA256SUMS"
    if not listing.is_file():
        return {}
    lines = [line.split() for line in listing.read_text().splitlines()]
    return {file: checksum for checksum, file in lines}


def read_idx(path: Path, expected_checksum: str | None) -> tuple[np.ndarray, str]:
    """The values of one file, plain or .gz, and the SHA-256 of its payload.

    Returns:
        A uint8 array of the shape in the file's header, and the checksum in hexadecimal.

    Raises:
        DataError: the file cannot be read, is no IDX file of bytes, or has another checksum.
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
    "The file is damaged or not the original one: delete or replace it; "
    "for files of your own choose another data.name"
)


def _parse_idx(payload: bytes, path: Path) -> np.ndarray:
    if len(payload) < 4 or payload[:3] != b"\x00\x00\x08":
        raise DataError(f"{path}: expected an IDX file of unsigned bytes. Received: another format")
    num_dimensions = payload[3]
    offset = 4 + 4 * num_dimensions
    shape = struct.unpack_from(f">{num_dimensions}I", payload, 4) if len(payload) >= offset else ()
    if len(payload) - offset != np.prod(shape, dtype=np.int64) or not shape:
        raise DataError(
            f"{path}: expected {shape} bytes, as its header says. Received: {len(payload)} in all"
        )
    return np.frombuffer(payload, np.uint8, offset=offset).reshape(shape)


def _stored(folder: Path, name: str) -> Path | None:
    """The file as it lies in the folder, plain or gzip."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _download(names: list[str], url: str, folder: Path, checksums: dict[str, str]) -> None:
    """Fetch gzip files into the folder; each appears under its name only when it is verified."""
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
                    f"{address}: download failed ({error}). Without a network, put the files "
                    f"{', '.join(f'{missing}.gz' for missing in names)} into {folder}, or give the "
                    "folder that has them: data.directory=FOLDER"
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
