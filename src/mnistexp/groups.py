"""The groups of configs, those that ship and the user's own, and their options."""

from pathlib import Path

EXPERIMENTS = ("lab", "notebook", "tutorial", "practical", "fault", "own")
"""The groups of experiments; `own` lies in the working folder."""


def shipped(name: str) -> Path:
    """A folder that ships: inside the package in a wheel, at the top of the tree in a checkout."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent.parent / name


def experiment_folders() -> list[Path]:
    """Where groups of experiments lie: what ships, and `experiments/` of the working folder."""
    own = Path.cwd() / "experiments"
    return [shipped("experiments"), *([own] if own.is_dir() else [])]


def list_groups(*more: Path) -> dict[str, list[str]]:
    """Each group of configs, `optim/decay` for example, with the names of its options.

    Args:
        more: further folders of groups.
    """
    groups: dict[str, set[str]] = {}
    for root in (shipped("conf"), *experiment_folders(), *more):
        for file in root.glob("*/**/*.yaml"):
            groups.setdefault(str(file.parent.relative_to(root)), set()).add(file.stem)
    return {group: sorted(groups[group]) for group in sorted(groups)}
