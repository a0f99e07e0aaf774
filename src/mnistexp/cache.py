"""The folder of files that are kept for later runs, such as downloaded data sets."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder `mnistexp` in the user's cache folder. It may not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mnistexp"
