"""Python and the packages: what is installed, against what mnistexp declares."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.experiment.environment import PACKAGES

DISTRIBUTION = "mnistexp"
BROUGHT_BY = {
    "gpu": "NVIDIA GPUs",
    "processes": "several jobs at once, hydra/launcher=processes",
    "slurm": "Slurm, hydra/launcher=slurm",
    "ray": "Ray, hydra/launcher=ray_cluster",
    "search": "searches, hydra/sweeper=optuna",
    "tensorboard": "TensorBoard, tracking.tensorboard=true",
    "docs": "building the documentation",
    "dev": "developing mnistexp",
}
"""What the extras are for, as far as their names don't say it."""


def check_packages() -> Iterator[CheckResult]:
    """Python and every package that a run needs."""
    allowed = SpecifierSet(metadata(DISTRIBUTION)["Requires-Python"])
    here = platform.python_version()
    if allowed.contains(here, prereleases=True):
        yield CheckResult("python", "ok", f"{here} ({sys.prefix})")
    else:
        yield CheckResult(
            "python",
            "problem",
            f"expected {_spoken(allowed)}. Received: {here}",
            "make an environment with another Python",
        )
    wrong = [flaw for need in _requirements(DISTRIBUTION) for flaw in _flaws(need)]
    for flaw in wrong:
        yield CheckResult("packages", "problem", flaw, f"pip install -U {DISTRIBUTION}")
    if not wrong:
        versions = [f"{name} {found}" for name in PACKAGES if (found := _installed(name))]
        yield CheckResult("packages", "ok", ", ".join(versions))


def check_extras() -> Iterator[CheckResult]:
    """Each optional extra: installed, or what it would bring."""
    complete = []
    for extra in metadata(DISTRIBUTION).get_all("Provides-Extra") or []:
        flaws = [flaw for need in _requirements(DISTRIBUTION, extra) for flaw in _flaws(need)]
        purpose = f" ({BROUGHT_BY[extra]})" if extra in BROUGHT_BY else ""
        install = f"pip install 'mnistexp[{extra}]'"
        if not flaws:
            complete.append(extra)
        elif all(flaw.endswith(MISSING) for flaw in flaws):
            yield CheckResult("extras", "note", f"{extra}: not installed{purpose}", install)
        else:
            yield CheckResult("extras", "problem", f"{extra}: {'; '.join(flaws)}", f"{install} -U")
    if complete:
        yield CheckResult("extras", "ok", f"{', '.join(complete)}: installed")


MISSING = "is not installed"


def _requirements(distribution: str, extra: str = "") -> list[Requirement]:
    """What a distribution needs here: for itself, or for one of its extras beyond that."""
    needs = [Requirement(text) for text in requires(distribution) or []]
    plain = [n for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    if not extra:
        return plain
    return [n for n in needs if n not in plain and n.marker and n.marker.evaluate({"extra": extra})]


def _flaws(need: Requirement) -> list[str]:
    """Why a requirement is not met, also by the extras that it asks for; empty where it is."""
    found = _installed(need.name)
    if found is None:
        return [f"{need.name} {MISSING}"]
    if not need.specifier.contains(found, prereleases=True):
        return [f"{need.name}: expected {_spoken(need.specifier)}. Received: {found}"]
    deeper = [inner for extra in need.extras for inner in _requirements(need.name, extra)]
    return [flaw for inner in deeper for flaw in _flaws(inner)]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _spoken(specifier: SpecifierSet) -> str:
    return ",".join(sorted(str(specifier).split(","), reverse=True))
