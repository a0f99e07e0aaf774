"""From words to a config, by Hydra."""

from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import uuid4

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mnistexp.config.config import Config, ConfigSource, resolve_config
from mnistexp.config.config_groups import experiment_folders, list_groups, shipped
from mnistexp.errors import ConfigError, did_you_mean

HYDRA_VERSION_BASE = "1.3"
PRIMARY_CONFIG = "config"
EXTRAS = {
    "hydra/launcher/joblib": "processes",
    "hydra/launcher/submitit_slurm": "slurm",
    "hydra/launcher/submitit_local": "slurm",
    "hydra/launcher/ray": "ray",
}
"""What brings the launchers that the presets stand on."""
SET_BY_SWEEP = "++sweep.job="

# Two runs that start in the same second must not share a folder.
OmegaConf.register_new_resolver("unique", lambda: uuid4().hex[:6], use_cache=True)


class ExperimentsSearchPath(SearchPathPlugin):
    """Puts the folders of experiments on Hydra's search path.

    A plugin, since `hydra.searchpath` in a config is not seen by `glob(*)`; registered here and
    not by a package of Hydra's plugins, so that no other program of Hydra's is touched.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders."""
        for folder in experiment_folders():
            search_path.append("mnistexp", f"file://{folder}")


Plugins.instance().register(ExperimentsSearchPath)


def mark_setting(override: str, groups: Collection[str]) -> str:
    """A setting as Hydra's `++name=value`, so that the schema alone decides what exists.

    Choices of one of the groups, Hydra's own settings and what has a prefix already stay as they
    are.
    """
    key = override.partition("=")[0]
    is_choice = key.partition("@")[0] in groups
    stays = is_choice or key.startswith(("+", "~", "hydra.", "hydra/"))
    return override if stays else f"++{override}"


def compose_config(overrides: list[str]) -> tuple[Config, ConfigSource]:
    """The typed config that choices and settings make of the shipped ones.

    Args:
        overrides: `model=conv`, `train.epochs=3`, …

    Raises:
        ConfigError: an override cannot be read, or the config is not valid.
    """
    groups = list_groups()
    try:
        with hydra.initialize_config_dir(str(shipped("conf")), version_base=HYDRA_VERSION_BASE):
            cfg = hydra.compose(
                PRIMARY_CONFIG,
                [mark_setting(override, groups) for override in overrides],
                return_hydra_config=True,
            )
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(in_our_words(error)) from error
    origin = config_source_of(cfg.hydra, Path(cfg.hydra.run.dir))
    with open_dict(cfg):
        del cfg["hydra"]
    return resolve_config(cfg, origin), origin


def config_source_of(hydra_cfg: Any, folder: Path | None = None) -> ConfigSource:
    """Choices and overrides as Hydra's own part of a composed config has them.

    What a sweep adds for a job is left out, as nobody has typed it.
    """
    # Unresolved: an override such as `x=${y}` refers to our part of the config.
    overrides: Any = OmegaConf.to_container(hydra_cfg.overrides.task, resolve=False)
    return ConfigSource(
        choices={
            str(group): str(option)
            for group, option in hydra_cfg.runtime.choices.items()
            if not str(group).startswith("hydra/") and option is not None
        },
        overrides=tuple(
            str(override).removeprefix("++")
            for override in overrides
            if not str(override).startswith(SET_BY_SWEEP)
        ),
        folder=folder,
    )


def in_our_words(error: Exception) -> str:
    """Hydra's complaint in one line that says what to do."""
    if isinstance(error, OverrideParseException):
        override = error.override.removeprefix("++")
        return (
            f"{override}: expected NAME=VALUE in Hydra's grammar; a value with other signs needs "
            f"quotes within quotes, 'NAME=\"VALUE\"'. {str(error).splitlines()[0]}"
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file in EXTRAS:
        extra = EXTRAS[error.missing_cfg_file]
        return (
            f"hydra/launcher: expected the package behind it to be installed. Received: none. "
            f"Install it with pip install 'mnistexp[{extra}]'"
        )
    if isinstance(error, MissingConfigException) and error.options:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = sorted(error.options)
        return (
            f"{group}: expected one of {', '.join(options)}. Received: {option!r}."
            f"{did_you_mean(option, options)}"
        )
    message = str(error).splitlines()[0].replace("++", "")
    if message.startswith("Ambiguous value"):
        return f"{message}. For a run with each value add -m; for a text with commas, quote it"
    return message
