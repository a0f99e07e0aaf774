"""The run itself: everything that is no other command's name is Hydra's."""

import os
import sys
from pathlib import Path
from uuid import uuid4

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnistexp.commands.groups import config_folder, list_groups
from mnistexp.commands.summary import print_summary
from mnistexp.config import Origin, resolve_config
from mnistexp.errors import ConfigError, did_you_mean
from mnistexp.experiment import run_experiment

PRIMARY_CONFIG = "config"

# Two runs that start in the same second must not share a folder.
OmegaConf.register_new_resolver("unique", lambda: uuid4().hex[:6], use_cache=True)


def run(arguments: list[str]) -> None:
    """Let Hydra compose the config of the arguments, and run it.

    Raises:
        InputError: an argument is neither a setting, a choice nor an option of Hydra's.
    """
    sys.argv = [sys.argv[0], *mark_settings(arguments)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors to us instead of printing them.
    start = hydra.main(
        version_base="1.3", config_path=str(config_folder()), config_name=PRIMARY_CONFIG
    )(_job)
    try:
        start()
    except MissingConfigException as error:
        raise ConfigError(_no_option(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error).splitlines()[0]) from error


def mark_settings(arguments: list[str]) -> list[str]:
    """Give Hydra settings as `++name=value`, so that the schema alone decides what exists.

    Choices of a group, options of Hydra's and what has a prefix already stay as they are.

    Raises:
        ConfigError: an argument has no `=`.
    """
    groups = list_groups()
    marked = []
    takes_value = False
    for argument in arguments:
        if takes_value or argument.startswith(("-", "+", "~")):
            marked.append(argument)
        elif "=" not in argument:
            raise ConfigError(_no_assignment(argument))
        else:
            key = argument.partition("=")[0]
            is_choice = key.partition("@")[0] in groups or key.startswith("hydra.")
            marked.append(argument if is_choice else f"++{argument}")
        takes_value = argument in _OPTIONS_WITH_VALUE
    return marked


_OPTIONS_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--info", "-i"),
    *("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd"),
}


def _job(cfg: DictConfig) -> float | None:
    """One run of what Hydra composed; in a sweep, one of many."""
    hydra_config = HydraConfig.get()
    origin = Origin(
        choices=_choices(hydra_config.runtime.choices),
        overrides=tuple(override.removeprefix("++") for override in hydra_config.overrides.task),
        folder=Path(hydra_config.runtime.output_dir),
    )
    result = run_experiment(resolve_config(cfg), origin)
    print_summary(result)
    return result.metrics.get("val_accuracy")


def _choices(choices: DictConfig) -> dict[str, str]:
    """The chosen option of each of our groups, by the group's path: `optim/decay`."""
    return {
        str(group): str(option)
        for group, option in choices.items()
        if not str(group).startswith("hydra/") and option is not None
    }


def _no_option(error: MissingConfigException) -> str:
    """`model=conv_bg` in our words."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = sorted(error.options or [])
    if not options:
        return str(error).splitlines()[0]
    return (
        f"{group}: expected one of {', '.join(options)}. Received: {option!r}."
        f"{did_you_mean(option, options)}"
    )


def _no_assignment(argument: str) -> str:
    from mnistexp.cli import command_names

    hint = did_you_mean(argument, command_names())
    option = next((group for group, options in list_groups().items() if argument in options), None)
    if option:
        hint = f" Did you mean {option}={argument}?"
    return (
        f"{argument}: expected a command or a setting NAME=VALUE. "
        f"Received: {argument!r}.{hint} See mnistexp --help"
    )
