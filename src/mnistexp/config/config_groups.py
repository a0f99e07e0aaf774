"""The config groups: folders of YAML options, from the package and from the user."""

from itertools import takewhile
from pathlib import Path

EXPERIMENT_GROUPS = ("lab", "notebook", "tutorial", "practical", "failure_modes", "user")
"""The groups of experiments. The files of `user` are in `experiments/` of the working folder."""


def package_folder(name: str) -> Path:
    """Return the folder `conf` or `experiments` of the installation.

    It is inside the package in a wheel, and at the top of the repository in a checkout.
    """
    package = Path(__file__).parent.parent
    installed = package / name
    return installed if installed.is_dir() else package.parent.parent / name


def experiment_folders() -> list[Path]:
    """Return the folders with experiments: the package's, and `experiments/` if it exists here."""
    user_folder = Path.cwd() / "experiments"
    return [package_folder("experiments"), *([user_folder] if user_folder.is_dir() else [])]


def list_groups(*extra_folders: Path) -> dict[str, list[str]]:
    """Return the names of the options of each config group: `{"optim/decay": ["cosine", …], …}`.

    Args:
        extra_folders: more folders that contain groups, such as Hydra's `--config-dir`.
    """
    groups: dict[str, set[str]] = {}
    for root in (package_folder("conf"), *experiment_folders(), *extra_folders):
        for file in root.glob("*/**/*.yaml"):
            groups.setdefault(str(file.parent.relative_to(root)), set()).add(file.stem)
    return {group: sorted(groups[group]) for group in sorted(groups)}


def option_file(group: str, option: str) -> Path | None:
    """Return the YAML file of an option; None if there is none."""
    folders = (package_folder("conf"), *experiment_folders())
    files = (folder / group / f"{option}.yaml" for folder in folders)
    return next((file for file in files if file.is_file()), None)


def option_description(group: str, option: str) -> str:
    """Return the first paragraph of the comments at the top of an option's file."""
    file = option_file(group, option)
    assert file is not None, f"{group}={option} has no file"
    comments = takewhile(lambda line: line.startswith("#"), file.read_text().splitlines())
    lines = [line.removeprefix("#").strip() for line in comments if "@package" not in line]
    first_paragraph = "\n".join(lines).strip().partition("\n\n")[0]
    return first_paragraph.replace("\n", " ")
