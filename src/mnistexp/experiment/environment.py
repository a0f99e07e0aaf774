"""The environment of a run: versions of packages, host, commit of the code."""

import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "mnistexp",
    "tensorflow",
    "keras",
    "numpy",
    "hydra-core",
    "omegaconf",
    "mlflow",
    "pandas",
    "pydantic",
    "scikit-learn",
    "scipy",
)

CHANGED_CODE = ", changed"
"""The end of a commit whose files were changed afterwards, so it does not identify the code."""


def describe_environment() -> dict[str, object]:
    """Return host, platform, Python, number of cores, versions of packages, and the code."""
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "code": code_state(),
    }


@cache
def code_state() -> str | None:
    """Return the commit of mnistexp's own code, followed by `, changed` if files were changed.

    None if it is not in a git repository, which the version of an installed package describes.
    """
    folder = str(Path(__file__).parent)
    if _git("-C", folder, "ls-files", "--error-unmatch", __file__) is None:
        return None
    options = ("--always", "--abbrev=40", "--exclude=*", f"--dirty={CHANGED_CODE}")
    return _git("-C", folder, "describe", *options)


def git_state() -> dict[str, str]:
    """Return tags with the commit of the working folder and whether the folder is unchanged.

    Empty outside a git repository. `mlflow.source.git.commit` is what MLflow's pages show.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "git_commit": commit,
        "git_clean": str(changes == "").lower(),
        "mlflow.source.git.commit": commit,
    }


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
