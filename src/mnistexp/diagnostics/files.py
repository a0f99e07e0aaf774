"""Files: the data sets' checksums, and the room that is left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mnistexp.data.files import (
    DATASETS,
    FILES,
    cache_folder,
    read_checksums,
    read_idx,
    stored_files,
)
from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.errors import DataError

SHORT_GB = 2.0
"""Below this, a sweep may fill the disk: a run with its model takes 1 to 10 MB."""
FULL_GB = 0.2


def check_data() -> Iterator[CheckResult]:
    """Every data set that lies in the package or in the cache, file by file."""
    cache = cache_folder()
    cached = {folder.name for folder in cache.glob("*") if folder.is_dir()}
    shipped = {folder.name for folder in DATASETS.iterdir() if (folder / "SHA256SUMS").is_file()}
    for name in sorted(shipped | cached):
        folders = [f for f in (DATASETS / name, cache / name) if _has_files(f)]
        if not folders:
            text = f"{name}: not here yet"
            yield CheckResult("data", "note", text, f"data={name} downloads it once")
        for folder in folders:
            yield _verified(name, folder)
    for part in sorted(cache.glob("*/*.part")):
        text = f"{part}: left by a download, {_gb(part.stat().st_size)}"
        yield CheckResult("data", "note", text, f"rm {part}, unless a download is running")


def check_disk(written_to: dict[str, Path]) -> Iterator[CheckResult]:
    """The room that is left where things are written.

    Args:
        written_to: a file or folder by what it holds; what is not there yet counts as the folder
            above it.
    """
    places = {**written_to, "cache": cache_folder(), "temporary": Path(tempfile.gettempdir())}
    for holds, place in places.items():
        existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
        free = shutil.disk_usage(existing).free / 1e9
        used = f", {_gb(_size(place))} in use" if holds != "temporary" else ""
        text = f"{free:,.1f} GB free for {holds}{used} ({place})"
        remedy = "make room; mlflow gc removes for good what was deleted in the UI"
        if not os.access(existing, os.W_OK):
            yield CheckResult("disk", "problem", f"{text}, not writable", f"chmod u+w {existing}")
        elif free < FULL_GB:
            yield CheckResult("disk", "problem", text, remedy)
        elif free < SHORT_GB:
            yield CheckResult("disk", "note", text, remedy)
        else:
            yield CheckResult("disk", "ok", text)


def _has_files(folder: Path) -> bool:
    return any((folder / f"{file}{end}").is_file() for file in FILES for end in ("", ".gz"))


def _verified(name: str, folder: Path) -> CheckResult:
    checksums = read_checksums(name)
    try:
        for stored, file in zip(stored_files(folder), FILES, strict=True):
            read_idx(stored.path, checksums.get(file))
    except DataError as error:
        ships = folder.parent == DATASETS
        again = "pip install --force-reinstall --no-deps mnistexp"
        remedy = again if ships else f"rm -r {folder}; data={name} then downloads it again"
        return CheckResult("data", "problem", f"{name}: {error}", remedy)
    known = "SHA-256 as it should be" if checksums else "readable; no checksums are known"
    return CheckResult("data", "ok", f"{name}: {known} ({folder})")


def _size(place: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if place.is_file():
        return place.stat().st_size
    walk = os.walk(place)
    files = (os.path.join(where, name) for where, _, names in walk for name in names)
    return sum(os.lstat(file).st_size for file in files if os.path.lexists(file))


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:,.1f} MB"
