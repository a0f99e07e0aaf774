"""The groups of configs that ship, and their options."""

from functools import cache
from pathlib import Path


def shipped(name: str) -> Path:
    """A folder that ships: inside the package in a wheel, at the top of the tree in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent.parent / name


def config_folder() -> Path:
    """The folder of Hydra's primary config."""
    return shipped("conf")


@cache
def list_groups() -> dict[str, list[str]]:
    """Each group, `optim/decay` for example, with the names of its options."""
    groups: dict[str, list[str]] = {}
    for root in (config_folder(), shipped("experiments")):
        for file in sorted(root.glob("*/**/*.yaml")):
            group = str(file.parent.relative_to(root))
            groups.setdefault(group, []).append(file.stem)
    return groups
