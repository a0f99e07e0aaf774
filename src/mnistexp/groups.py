"""The groups of configs that ship, and their options."""

from functools import cache
from pathlib import Path


def shipped(name: str) -> Path:
    """A folder that ships: inside the package in a wheel, at the top of the tree in a checkout."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent.parent / name


@cache
def list_groups() -> dict[str, list[str]]:
    """Each group of configs, `optim/decay` for example, with the names of its options."""
    groups: dict[str, list[str]] = {}
    for root in (shipped("conf"), shipped("experiments")):
        for file in sorted(root.glob("*/**/*.yaml")):
            groups.setdefault(str(file.parent.relative_to(root)), []).append(file.stem)
    return groups
