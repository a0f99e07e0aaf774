"""The config groups: folders of YAML options, from the package and from the user."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import takewhile
from pathlib import Path

from mnistexp.errors import ConfigError

EXPERIMENT_GROUPS = (
    *("lab", "notebook", "tutorial", "practical", "failure_modes", "fashion_mnist", "record"),
    "user",
)
"""The groups of experiments. The files of `user` are in `experiments/` of the working folder."""
ROOT_FOLDERS = ("conf", "experiments")
"""The folders that contain groups, in the package and in the working folder."""
FOLDER_OPTIONS = ("--config-dir", "-cd")
"""The options of the command line that add such a folder."""
FILE_ENDINGS = (".yaml", ".yml", ".txt", ".json")
"""Only .yaml is read. Files with the other endings are found for the hint to rename them."""

_added_folders: ContextVar[tuple[Path, ...]] = ContextVar("added_folders", default=())


def package_folder(name: str) -> Path:
    """Return the folder `conf` or `experiments` of the installation.

    It is inside the package in a wheel, and at the top of the repository in a checkout.
    """
    package = Path(__file__).parent.parent
    installed = package / name
    return installed if installed.is_dir() else package.parent.parent / name


def split_config_folders(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Split the options `--config-dir FOLDER` from the other arguments of a command line.

    Raises:
        ConfigError: the folder is missing after the last of them.
    """
    folders, others = [], []
    remaining = iter(arguments)
    for argument in remaining:
        name, _, folder = argument.partition("=")
        if name in FOLDER_OPTIONS:
            folder = folder or next(remaining, "")
            if not folder:
                raise ConfigError(f"{name}: expected a folder. Received: nothing")
            folders.append(Path(folder))
        else:
            others.append(argument)
    return folders, others


@contextmanager
def added_config_folders(folders: Sequence[Path]) -> Iterator[None]:
    """Use more folders that contain groups, as `--config-dir FOLDER` requests.

    Raises:
        ConfigError: one of them is no folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--config-dir: expected a folder. Received: {folder}")
    token = _added_folders.set((*_added_folders.get(), *(folder.resolve() for folder in folders)))
    try:
        yield
    finally:
        _added_folders.reset(token)


def added_folders() -> tuple[Path, ...]:
    """Return the folders of `added_config_folders`."""
    return _added_folders.get()


def package_folders() -> list[Path]:
    """Return the folders of the package that contain groups."""
    return [package_folder(name) for name in ROOT_FOLDERS]


def user_folders() -> list[Path]:
    """Return the user's folders that contain groups.

    They are `conf/` and `experiments/` of the working folder, if they exist and are not those of
    the package, and the folders of `added_config_folders`.
    """
    in_working_folder = [Path.cwd() / name for name in ROOT_FOLDERS]
    known = {folder.resolve() for folder in package_folders()}
    folders = dict.fromkeys([*in_working_folder, *added_folders()])
    return [path for path in folders if path.is_dir() and path.resolve() not in known]


def list_groups() -> dict[str, list[str]]:
    """Return the names of the options of each config group: `{"optim/decay": ["cosine", …], …}`.

    Folders of the user that are no group of mnistexp are left out.
    """
    groups: dict[str, set[str]] = {}
    for root in package_folders():
        for file in _yaml_files(root):
            groups.setdefault(_group_of(file, root), set()).add(file.stem)
    for root in user_folders():
        for file in _yaml_files(root):
            group = _group_of(file, root)
            if group in groups or group in EXPERIMENT_GROUPS:
                groups.setdefault(group, set()).add(file.stem)
    return {group: sorted(groups[group]) for group in sorted(groups)}


def find_experiment(name: str) -> str:
    """Return the choice of an experiment that may be named without its group: `lab=3_0_conv`.

    An empty text if there is no such experiment.
    """
    group, _, option = name.rpartition("=")
    groups = list_groups()
    found = (known for known in EXPERIMENT_GROUPS if option in groups.get(known, []))
    return next((f"{known}={option}" for known in found if group in ("", known)), "")


def option_files(group: str, option: str) -> list[Path]:
    """Return the YAML files of an option. More than one is a conflict of names."""
    folders = (*package_folders(), *user_folders())
    files = [folder / group / f"{option}.yaml" for folder in folders]
    return [file for file in files if file.is_file()]


def option_file(group: str, option: str) -> Path | None:
    """Return the YAML file of an option; None if there is none."""
    return next(iter(option_files(group, option)), None)


def misplaced_files(group: str, option: str) -> list[tuple[Path, Path]]:
    """Return the user's files named like an option, in any folder, and where each one belongs."""
    return [
        (file, folder / group / f"{option}.yaml")
        for folder in user_folders()
        for file in sorted(folder.rglob("*.*"))
        if file.stem == option and file.suffix.lower() in FILE_ENDINGS
    ]


def without_ending(option: str) -> str:
    """Return the name of an option that was written as the name of its file, `mine.yaml`."""
    path = Path(option)
    return str(path.with_suffix("")) if path.suffix.lower() in FILE_ENDINGS else option


def option_description(group: str, option: str) -> str:
    """Return the first paragraph of the comments at the top of an option's file."""
    file = option_file(group, option)
    assert file is not None, f"{group}={option} has no file"
    comments = takewhile(lambda line: line.startswith("#"), file.read_text().splitlines())
    lines = [line.removeprefix("#").strip() for line in comments if "@package" not in line]
    first_paragraph = "\n".join(lines).strip().partition("\n\n")[0]
    return first_paragraph.replace("\n", " ")


def _yaml_files(root: Path) -> Iterator[Path]:
    # Editors keep backups in hidden files.
    return (file for file in root.glob("*/**/*.yaml") if not file.name.startswith("."))


def _group_of(file: Path, root: Path) -> str:
    return str(file.parent.relative_to(root))
