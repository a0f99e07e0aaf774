"""Where the files of a local store are after its folder was moved or copied.

MLflow stores the absolute path of each artifact folder, and a run that of its output folder. Both
are below the folder of the database, in `mlruns` and `runs`. So after a move they are found there.
"""

from pathlib import Path
from urllib.parse import unquote, urlparse

from mnistexp.tracking.mlflow_private import artifact_locations, replace_artifact_locations

FOLDERS = ("mlruns", "runs")
"""The folders with the files of runs, beside the database."""


def current_location(recorded: str, database: Path | None) -> str:
    """Return where a recorded path or `file:` address is now.

    Args:
        recorded: as MLflow stores it.
        database: the file of a local store; None for any other store.

    Returns:
        The path beside the database if there is such a file or folder, even where the recorded one
        exists too: the store may be a copy. Otherwise `recorded`.
    """
    if database is None or urlparse(recorded).scheme not in ("", "file"):
        return recorded
    for name in FOLDERS:
        start, separator, rest = str(local_path(recorded)).rpartition(f"/{name}/")
        here = database.parent / name / rest
        if not separator or Path(start) == database.parent or not here.exists():
            continue
        if here.resolve() != local_path(recorded).resolve():  # A link leads to the same folder.
            return here.as_uri() if _is_uri(recorded) else str(here)
    return recorded


def local_path(location: str) -> Path:
    """Return the path of a local location, which is a path or a `file:` address."""
    return Path(unquote(urlparse(location).path)) if _is_uri(location) else Path(location)


def follow_moved_folder(database: Path | None) -> None:
    """Change the artifact locations in a local database that was moved or copied with its folder.

    Without this, new runs would be written to the old folder, and MLflow's pages would read there.
    """
    if database is None or not database.is_file():
        return
    moved = {
        recorded: current
        for recorded in artifact_locations(database)
        if (current := current_location(recorded, database)) != recorded
    }
    if moved:
        replace_artifact_locations(database, moved)


def _is_uri(location: str) -> bool:
    return location.startswith("file:")
