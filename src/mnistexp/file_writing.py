"""Write to files whole or not at all, also on a full disk and when the process is killed.

`cache_folder` is the place of files that later runs use again, such as downloads.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO


def cache_folder() -> Path:
    """Return the folder `mnistexp` in the user's cache folder. It may not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mnistexp"


def append_whole(stream: IO[bytes], content: bytes) -> None:
    """Append bytes to a file, all or none.

    Args:
        stream: opened for writing without a buffer.

    Raises:
        OSError: they cannot be written, on a full disk for example. The file is as before.
    """
    end = stream.seek(0, os.SEEK_END)
    remaining = memoryview(content)
    try:
        while remaining:  # A nearly full disk accepts only a part.
            remaining = remaining[stream.write(remaining) :]
    except OSError:
        with suppress(OSError):
            stream.truncate(end)
            stream.seek(end)
        raise


def write_whole(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file, or replace it. Other processes see the old content or the new one.

    Args:
        durable: wait until the content is on the disk, so that it survives a power failure.

    Raises:
        OSError: it cannot be written. The old file is intact.
    """
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        unfinished.replace(file)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    if durable:
        _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename permanent, also if the computer loses its power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
