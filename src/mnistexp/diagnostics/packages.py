"""Checks of Python and of the installed packages against the requirements of mnistexp."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.experiment.environment import PACKAGES

DISTRIBUTION = "mnistexp"
EXTRA_PURPOSES = {
    "gpu": "NVIDIA GPUs",
    "processes": "parallel jobs, hydra/launcher=processes",
    "slurm": "Slurm, hydra/launcher=slurm",
    "ray": "Ray, hydra/launcher=ray_cluster",
    "search": "searches, hydra/sweeper=optuna",
    "tensorboard": "TensorBoard, tracking.tensorboard=true",
    "movie": "MP4 movies, mnistexp watch --save run.mp4",
    "docs": "building the documentation",
    "dev": "developing mnistexp",
}
NOT_INSTALLED = "is not installed"


def check_packages() -> Iterator[CheckResult]:
    """Check Python and every required package."""
    allowed = SpecifierSet(metadata(DISTRIBUTION)["Requires-Python"])
    python = platform.python_version()
    if allowed.contains(python, prereleases=True):
        yield CheckResult("python", "ok", f"{python} ({sys.prefix})")
    else:
        message = f"expected {_format_specifier(allowed)}. Received: {python}"
        remedy = "create an environment with another version of Python"
        yield CheckResult("python", "problem", message, remedy)
    unmet = _unmet_requirements(DISTRIBUTION)
    for message in unmet:
        yield CheckResult("packages", "problem", message, f"pip install -U {DISTRIBUTION}")
    if not unmet:
        versions = [f"{name} {found}" for name in PACKAGES if (found := _installed_version(name))]
        yield CheckResult("packages", "ok", ", ".join(versions))


def check_extras() -> Iterator[CheckResult]:
    """Check which optional extras are installed."""
    installed = []
    for extra in metadata(DISTRIBUTION).get_all("Provides-Extra") or []:
        unmet = _unmet_requirements(DISTRIBUTION, extra)
        purpose = f" ({EXTRA_PURPOSES[extra]})" if extra in EXTRA_PURPOSES else ""
        install = f"pip install 'mnistexp[{extra}]'"
        if not unmet:
            installed.append(extra)
        elif all(message.endswith(NOT_INSTALLED) for message in unmet):
            message = f"{extra}: not installed{purpose}"
            yield CheckResult("extras", "note", message, install)
        else:
            message = f"{extra}: {'; '.join(unmet)}"
            yield CheckResult("extras", "problem", message, f"{install} -U")
    if installed:
        yield CheckResult("extras", "ok", f"{', '.join(installed)}: installed")


def _unmet_requirements(distribution: str, extra: str = "") -> list[str]:
    """Return one message for each unmet requirement of a distribution, or of one of its extras."""
    requirements = [Requirement(text) for text in requires(distribution) or []]
    required = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    if extra:
        optional = [r for r in requirements if r not in required]
        required = [r for r in optional if r.marker and r.marker.evaluate({"extra": extra})]
    return [message for requirement in required for message in _check_requirement(requirement)]


def _check_requirement(requirement: Requirement) -> list[str]:
    """Return messages about a requirement and the extras that it names; none if it is met."""
    name, found = requirement.name, _installed_version(requirement.name)
    if found is None:
        return [f"{name} {NOT_INSTALLED}"]
    if not requirement.specifier.contains(found, prereleases=True):
        return [f"{name}: expected {_format_specifier(requirement.specifier)}. Received: {found}"]
    return [message for extra in requirement.extras for message in _unmet_requirements(name, extra)]


def _installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _format_specifier(specifier: SpecifierSet) -> str:
    return ",".join(sorted(str(specifier).split(","), reverse=True))
