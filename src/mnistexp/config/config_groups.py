"""The groups of configs, those that ship and the user's own, and their options."""

from itertools import dropwhile, takewhile
from operator import not_
from pathlib import Path

EXPERIMENTS = ("lab", "notebook", "tutorial", "practical", "failure_modes", "user")
"""The groups of experiments; `user` lies in the working folder."""


def shipped(name: str) -> Path:
    """A folder that ships: inside the package in a wheel, at the top of the tree in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent.parent / name


def experiment_folders() -> list[Path]:
    """Where groups of experiments lie: what ships, and `experiments/` of the working folder."""
    own = Path.cwd() / "experiments"
    return [shipped("experiments"), *([own] if own.is_dir() else [])]


def header_of(group: str, option: str) -> str:
    """What the file of an option says of itself: the first paragraph of its comments."""
    folders = [*experiment_folders(), shipped("conf")]
    file = next(file for folder in folders if (file := folder / group / f"{option}.yaml").is_file())
    lines = (line for line in file.read_text().splitlines() if not line.startswith("# @package"))
    comments = [line.removeprefix("#").strip() for line in takewhile(_is_comment, lines)]
    return " ".join(takewhile(bool, dropwhile(not_, comments)))


def _is_comment(line: str) -> bool:
    return line.startswith("#")


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
