"""Download files once, with a progress bar, and unpack archives."""

import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from functools import partial
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from mnistexp.errors import DataError
from mnistexp.file_writing import write_whole

if TYPE_CHECKING:
    from rich.progress import Progress

ARCHIVE_ENDINGS = (".zip", ".tar.gz")
TIMEOUT_SECONDS = 20
MAX_MEMBER_BYTES = 2**30
"""Of an unpacked file. A small archive may unpack to more than the disk holds."""
DAMAGE_ERRORS = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error)
"""The exceptions that a damaged archive raises."""


def is_archive(url: str) -> bool:
    """Return whether an address is that of an archive."""
    return url.endswith(ARCHIVE_ENDINGS)


def download_files(
    targets: Mapping[str, Path], verify: Callable[[str, Path], None], remedy: str
) -> None:
    """Download files. A file gets its final name after its verification.

    Args:
        targets: the file for each address.
        verify: is called with the address and the downloaded file.
        remedy: what the user can do without a network, for the message.

    Raises:
        DataError: a file cannot be downloaded. `verify` raises it for a wrong file.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    # Commands with --json print data on the standard output.
    progress = Progress(*columns, console=Console(stderr=True))
    try:
        for address, target in targets.items():
            part = target.with_name(f"{target.name}.{os.getpid()}.part")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _fetch(address, part, progress)
                verify(address, part)
                part.replace(target)
            except (OSError, HTTPException, ValueError) as error:
                raise DataError(
                    f"{address}: download failed ({error}). Without a network, {remedy}"
                ) from error
            finally:
                if target.parent.is_dir():
                    part.unlink(missing_ok=True)
    finally:
        if progress.live.is_started:
            progress.stop()


def _fetch(address: str, target: Path, progress: "Progress") -> None:
    from urllib.request import urlopen

    with urlopen(address, timeout=TIMEOUT_SECONDS) as response:
        # Without a connection there is no progress: it would end with an empty line.
        progress.start()
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


def unpack_files(archive: Path, names: Collection[str], folder: Path) -> None:
    """Write files of an archive into one folder, wherever they are in the archive.

    Args:
        archive: ends in .zip or .tar.gz.
        names: of the files, without folders. Files with other names are left out.

    Raises:
        DataError: the archive is damaged, a file is too large, or the folder cannot be written.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn

    columns = (SpinnerColumn(), "{task.description}")
    folder.mkdir(parents=True, exist_ok=True)
    members = _zip_members if archive.suffix == ".zip" else _tar_members
    try:
        with (
            Progress(*columns, transient=True, console=Console(stderr=True)) as progress,
            closing(members(archive)) as found,
        ):
            task = progress.add_task(f"unpacking {archive.name}", total=None)
            for path, num_bytes, open_file in found:
                name = PurePosixPath(path).name
                if name not in names:
                    continue
                if num_bytes > MAX_MEMBER_BYTES:
                    raise DataError(
                        f"{archive}: expected files of at most {MAX_MEMBER_BYTES:,} bytes. "
                        f"Received: {num_bytes:,} in {path}"
                    )
                progress.update(task, description=f"unpacking {name}")
                stream = open_file()
                assert stream is not None, f"{path} is a regular file"
                write_whole(folder / name, stream.read(num_bytes))
    except DAMAGE_ERRORS as error:
        raise DataError(
            f"{archive}: expected an archive that can be unpacked to {folder}. Received: {error}. "
            "Delete it if it is damaged: it is downloaded again"
        ) from error


Members = Generator[tuple[str, int, Callable[[], IO[bytes] | None]]]
"""The files in an archive: path, size in bytes, and what opens the file."""


def _zip_members(archive: Path) -> Members:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                yield info.filename, info.file_size, partial(opened.open, info)


def _tar_members(archive: Path) -> Members:
    with tarfile.open(archive, "r|gz") as opened:
        for info in opened:
            if info.isfile():  # A link could lead out of the archive.
                yield info.name, info.size, partial(opened.extractfile, info)
