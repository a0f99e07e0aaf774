"""The run itself: everything that is no other command's name is Hydra's."""

import os
import sys
from itertools import pairwise
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mnistexp.config.compose import (
    HYDRA_VERSION_BASE,
    PRIMARY_CONFIG,
    add_force_prefix,
    compose_config,
    format_hydra_error,
    read_config_source,
    resolve_config,
)
from mnistexp.config.config import Config
from mnistexp.config.config_groups import list_groups, package_folder
from mnistexp.config.config_source import ConfigSource
from mnistexp.errors import ConfigError, TrainingDiverged, did_you_mean

OPTIONS = {
    *("--run", "-r", "--multirun", "-m", "--shell-completion", "-sc", "--resolve"),
    "--hydra-help",
}
"""Hydra's options."""
OPTIONS_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--info", "-i"),
    *("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd"),
}
"""Hydra's options that the next word belongs to."""


def run(arguments: list[str], commands: list[str]) -> None:
    """Run once what the choices and settings say, or do what an option of Hydra's asks for.

    Args:
        arguments: choices `model=conv`, settings `seed=1` and options such as `-m`.
        commands: names of the other commands, which a word may nearly be.

    Raises:
        InputError: an argument is no choice, setting or option, or has a value that cannot work.
    """
    if "--resolve" in arguments and not {"--cfg", "-c"} & set(arguments):
        raise ConfigError("--resolve: expected beside --cfg job. Received: alone")
    marked = _marked(arguments, commands)
    if any(argument.startswith("-") for argument in arguments):
        _hand_to_hydra(marked)
    else:
        _run(*compose_config(marked))


def _marked(arguments: list[str], commands: list[str]) -> list[str]:
    """The arguments with settings marked for Hydra; see `add_force_prefix`."""
    groups = list_groups(*_config_folders(arguments))
    marked = []
    belongs_to_option = False
    for argument in arguments:
        if argument.startswith("-"):
            _check_option(argument)
        elif not belongs_to_option and not {"-sc", "--shell-completion"} & set(arguments):
            _check_assignment(argument, commands)
            argument = add_force_prefix(argument, groups)
        marked.append(argument)
        belongs_to_option = argument in OPTIONS_WITH_VALUE
    return marked


def _config_folders(arguments: list[str]) -> list[Path]:
    """The user's own folder of configs, whose groups are chosen as ours are."""
    return [
        Path(folder) for option, folder in pairwise(arguments) if option in ("--config-dir", "-cd")
    ]


def _hand_to_hydra(arguments: list[str]) -> None:
    """Let Hydra do what its options say."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of printing them.
    sys.argv = [sys.argv[0], *arguments]
    decorate = hydra.main(str(package_folder("conf")), PRIMARY_CONFIG, HYDRA_VERSION_BASE)
    from mnistexp.sweeps import SweepTask

    try:
        decorate(SweepTask() if {"-m", "--multirun"} & set(arguments) else _run_composed)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(format_hydra_error(error)) from error


def _run_composed(cfg: DictConfig) -> None:
    """The one run that Hydra starts without `-m`."""
    hydra_config = HydraConfig.get()
    origin = read_config_source(hydra_config, Path(hydra_config.runtime.output_dir))
    _run(resolve_config(cfg, origin), origin)


def _run(config: Config, origin: ConfigSource) -> None:
    # Not before the settings are known to be right, so that a wrong one is answered at once.
    from mnistexp.commands.summary import print_summary
    from mnistexp.experiment import run_experiment

    # TensorFlow and MLflow take some seconds to load.
    print(f"{origin.run_name(config)}: starting …", flush=True)
    try:
        result = run_experiment(config, origin)
    except TrainingDiverged:
        if config.expect is not None and config.expect.diverges:
            print("The experiment is about this: the training is expected to diverge.")
        raise
    print_summary(result)
    result.audience.stay()


def _check_option(argument: str) -> None:
    name = argument.partition("=")[0]
    known = OPTIONS | OPTIONS_WITH_VALUE
    if name not in known:
        raise ConfigError(
            f"{name}: unknown option.{did_you_mean(name, known)} Settings are written NAME=VALUE; "
            "see mnistexp --help"
        )


def _check_assignment(argument: str, commands: list[str]) -> None:
    if "=" in argument or argument.startswith("~"):
        return
    group = next((name for name, options in list_groups().items() if argument in options), None)
    hint = f" Did you mean {group}={argument}?" if group else did_you_mean(argument, commands)
    raise ConfigError(
        f"{argument}: expected a command or a setting NAME=VALUE. "
        f"Received: {argument!r}.{hint} See mnistexp --help"
    )
