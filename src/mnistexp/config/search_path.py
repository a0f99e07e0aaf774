"""Hydra's search path: the options of the package and of the user, each file checked when read."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnistexp.config.config_groups import (
    added_folders,
    option_files,
    package_folder,
    package_folders,
    user_folders,
)
from mnistexp.config.option_file import format_place
from mnistexp.config.option_reader import included_files
from mnistexp.errors import ConfigError

SCHEME = "mnistexp"


class OptionSource(ConfigSource):
    """A folder with config groups. Unlike Hydra's, it names the file and line of an error."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of the addresses in the search path, `mnistexp://FOLDER`."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """Read an option, `model/conv`.

        Raises:
            ConfigError: its file is not valid, or several folders have a file of this name.
        """
        group, _, option = config_path.rpartition("/")
        _check_name_is_free(group, option)
        *_, file = included_files(group, option)
        try:
            config = OmegaConf.create(file.text)
        except OmegaConfBaseException as error:
            path = str(error.full_key or "").split(".")
            line = file.find_line([*file.section, *path], exact=False) or 1
            problem = str(error).partition("\n")[0]
            raise ConfigError(f"{format_place(file.path, line)}: {problem}") from error
        header = {"package": file.package}
        return ConfigResult(self.provider, self.full_path(), config, header)

    def is_group(self, config_path: str) -> bool:
        """Whether there is such a folder."""
        return (Path(self.path) / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        """Whether there is such an option. `model/conv.yaml` is none: its name is `conv`."""
        return ".." not in config_path and self._file(config_path).is_file()

    def available(self) -> bool:
        """Whether the folder exists."""
        return self.is_group("")

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the groups or options in a group."""
        children = [
            child for child in (Path(self.path) / config_path).iterdir() if child.name[0] != "."
        ]
        groups = {child.name for child in children if child.is_dir()}
        options = {child.stem for child in children if child.suffix == ".yaml" and child.is_file()}
        found = {ObjectType.GROUP: groups, ObjectType.CONFIG: options}
        return sorted(found[results_filter] if results_filter else groups | options)

    def _file(self, config_path: str) -> Path:
        return Path(self.path) / f"{config_path}.yaml"


class OptionSearchPath(SearchPathPlugin):
    """Adds the folders with config groups to Hydra's search path.

    This is a plugin because `glob(*)` ignores `hydra.searchpath` of a config file. It is registered
    here, not in the package `hydra_plugins`, and does nothing for another primary config, so that
    other Hydra programs are not affected.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Read the primary config's folder with `OptionSource`, and append the other folders."""
        conf = str(package_folder("conf"))
        for element in search_path.get_path():
            if element.provider == "main" and element.path.removeprefix("file://") == conf:
                element.path = f"{SCHEME}://{conf}"
                break
        else:
            return
        for folder in (*package_folders()[1:], *user_folders()):
            # Hydra's name for a folder of --config-dir, by which the command of a run is recorded.
            provider = "command-line" if folder in added_folders() else "mnistexp"
            search_path.append(provider, f"{SCHEME}://{folder}")


def _check_name_is_free(group: str, option: str) -> None:
    files = option_files(group, option) if group else []
    if len(files) > 1:
        raise ConfigError(
            f"{format_place(files[-1], 1)}: expected a name of its own, since {group}={option} is "
            f"also {files[0]}. Rename the file"
        )


def register_search_path() -> None:
    """Make Hydra use the classes of this module in this process."""
    for plugin in (OptionSource, OptionSearchPath):
        Plugins.instance().register(plugin)
