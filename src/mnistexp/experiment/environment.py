"""The environment of a run: versions of packages, host, commit of the code."""

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version

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
)


def describe_environment() -> dict[str, object]:
    """Return host, platform, Python, number of cores and the versions of packages."""
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


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
