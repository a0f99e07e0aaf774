"""Checks of the data files and of the free space on disk."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mnistexp.data import DataConfig
from mnistexp.data.files import (
    DATASETS,
    has_data_files,
    possible_folders,
)
from mnistexp.data.source import expected_digest, find_source
from mnistexp.diagnostics.check_result import CheckResult, Status
from mnistexp.errors import DataError
from mnistexp.file_writing import cache_folder

LOW_SPACE_GB = 2.0
"""With less free space a sweep may fill the disk: a run with its model needs 1 to 10 MB."""
NO_SPACE_GB = 0.2
TEMPORARY = "temporary files"


def check_data() -> Iterator[CheckResult]:
    """Check each file of all data sets in the package and in the cache."""
    cache = cache_folder()
    cached = {folder.name for folder in cache.glob("*") if has_data_files(folder, folder.name)}
    known = {folder.name for folder in DATASETS.iterdir() if (folder / "SHA256SUMS").is_file()}
    not_downloaded = []
    for name in sorted(known | cached):
        folders = [folder for folder in possible_folders(name) if has_data_files(folder, name)]
        if not folders:
            not_downloaded.append(name)
        for folder in folders:
            yield _check_data_folder(name, folder)
    if not_downloaded:
        message = f"not downloaded yet: {', '.join(not_downloaded)}"
        yield CheckResult("data", "note", message, "data=NAME downloads it once")
    for part in sorted(cache.glob("*/*.part")):
        message = f"{part}: incomplete download, {_format_size(part.stat().st_size)}"
        yield CheckResult("data", "note", message, f"rm {part}, unless a download is running")


def check_disk(written: Mapping[str, Path]) -> Iterator[CheckResult]:
    """Check the free space of every place that runs write to.

    Args:
        written: file or folder by its content, `{"store": Path("mlflow.db")}`. If one does not
            exist yet, the nearest existing folder above it is checked.
    """
    places = {**written, "cache": cache_folder(), TEMPORARY: Path(tempfile.gettempdir())}
    for content, place in places.items():
        folder = next(folder for folder in (place, *place.parents) if folder.is_dir())
        free_gb = shutil.disk_usage(folder).free / 1e9
        used = f", {_format_size(_size(place))} in use" if content != TEMPORARY else ""
        message = f"{free_gb:,.1f} GB free for {content}{used} ({place})"
        remedy = "free some space; mlflow gc removes runs that were deleted in the UI"
        if not os.access(folder, os.W_OK):
            yield CheckResult("disk", "problem", f"{message}, not writable", f"chmod u+w {folder}")
        elif free_gb < LOW_SPACE_GB:
            status: Status = "problem" if free_gb < NO_SPACE_GB else "note"
            yield CheckResult("disk", status, message, remedy)
        else:
            yield CheckResult("disk", "ok", message)


def _check_data_folder(name: str, folder: Path) -> CheckResult:
    try:
        find_source(DataConfig(name=name, directory=str(folder))).read()
    except DataError as error:
        is_package = folder.parent == DATASETS
        reinstall = "pip install --force-reinstall --no-deps mnistexp"
        remedy = reinstall if is_package else f"rm -r {folder}; data={name} downloads it again"
        return CheckResult("data", "problem", f"{name}: {error}", remedy)
    verified = "SHA-256 is correct" if expected_digest(name) else "readable; no checksums are known"
    return CheckResult("data", "ok", f"{name}: {verified} ({folder})")


def _size(place: Path) -> int:
    """Return the size in bytes of a file, or of all files in a folder."""
    if place.is_file():
        return place.stat().st_size
    files = (os.path.join(root, name) for root, _, names in os.walk(place) for name in names)
    return sum(os.lstat(file).st_size for file in files if os.path.lexists(file))


def _format_size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:,.1f} MB"
