"""`mnistexp` without a command: run one config, or a sweep with `-m`, with Hydra's options."""

import os
import sys
from itertools import pairwise
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mnistexp.config.compose import (
    HYDRA_VERSION_BASE,
    PRIMARY_CONFIG,
    add_force_prefix,
    compose_config,
    read_config_source,
    resolve_config,
)
from mnistexp.config.config import Config, config_to_yaml
from mnistexp.config.config_groups import FOLDER_OPTIONS, list_groups, package_folder
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.hydra_errors import COMPOSITION_ERRORS, format_hydra_error
from mnistexp.errors import ConfigError, TrainingDiverged, did_you_mean

OPTIONS = (
    *("--run", "-r", "--multirun", "-m", "--shell-completion", "-sc", "--resolve"),
    "--hydra-help",
)
"""Hydra's options without a value."""
OPTIONS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--info", "-i")
"""Hydra's options that take the next argument as their value."""
CONFIG_KINDS = ("job", "hydra", "all")
"""What `--cfg` can print."""
SWEEP_GROUPS = ("hydra/sweeper", "hydra/launcher")
"""Choices that have an effect together with `-m` only."""
PRINT_SETTINGS = ("--cfg", "-c", "job", "--resolve")
"""The arguments that request the settings of a run, all of them and resolved, but no run."""


def run(arguments: list[str], commands: list[str]) -> None:
    """Run one config, or start what Hydra's options request, such as a sweep with `-m`.

    Args:
        arguments: choices `model=conv`, settings `seed=1` and Hydra's options.
        commands: the names of all other commands, for suggestions.

    Raises:
        InputError: an argument is not a valid choice, setting or option.
    """
    if "--resolve" in arguments and not {"--cfg", "-c"} & set(arguments):
        raise ConfigError("--resolve: expected together with --cfg job. Received: --resolve alone")
    _check_sweep_settings(arguments)
    hydra_arguments = _to_hydra_arguments(arguments, commands)
    if _requests_settings(arguments):
        # Hydra's own --cfg job would print neither the settings that have their default values, nor
        # the learning rate that the optimizer brings.
        overrides = [text for text in hydra_arguments if text not in PRINT_SETTINGS]
        config, _ = compose_config(overrides)
        train = config.train.with_explicit_length()
        print(config_to_yaml(config.model_copy(update={"train": train})), end="")
    elif any(argument.startswith("-") for argument in arguments):
        _start_hydra(hydra_arguments)
    else:
        _run(*compose_config(hydra_arguments))


def _requests_settings(arguments: list[str]) -> bool:
    """Whether `--cfg job` is the only option, with or without `--resolve`."""
    options = {argument for argument in arguments if argument.startswith("-")}
    requests = {("--cfg", "job"), ("-c", "job")} & set(pairwise(arguments))
    return bool(requests) and options <= set(PRINT_SETTINGS)


def _check_sweep_settings(arguments: list[str]) -> None:
    """Refuse a sweeper or a launcher without `-m`, since it would have no effect."""
    if any(argument.startswith("-") for argument in arguments):  # -m, or a request for information.
        return
    for argument in arguments:
        name, _, value = argument.lstrip("+").partition("=")
        if name in SWEEP_GROUPS:
            raise ConfigError(
                f"{name}: expected together with -m, since only sweeps and searches use it. "
                f"Received: {value} for a single run. Add -m"
            )


def _to_hydra_arguments(arguments: list[str], commands: list[str]) -> list[str]:
    """Check the arguments, prefix settings as `add_force_prefix` describes, and put options last.

    Hydra's parser accepts settings only in one row: before all options or after them.
    """
    groups = list_groups()
    is_shell_completion = bool({"-sc", "--shell-completion"} & set(arguments))
    settings, options = [], []
    for previous, argument, following in zip(
        ["", *arguments], arguments, [*arguments[1:], ""], strict=False
    ):
        if argument.startswith("-"):
            _check_option(argument)
            options.append(argument)
        elif previous in OPTIONS_WITH_VALUE:
            _check_option_value(previous, argument)
            options.append(argument)
        elif is_shell_completion:
            settings.append(argument)
        else:
            _check_assignment(argument, commands, following)
            _check_brackets(argument, following)
            settings.append(add_force_prefix(argument, groups))
    return [*settings, *options]


def _start_hydra(arguments: list[str]) -> None:
    """Call Hydra's command line. With `-m` it starts a sweep."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing them.
    sys.argv = [sys.argv[0], *arguments]
    decorate = hydra.main(str(package_folder("conf")), PRIMARY_CONFIG, HYDRA_VERSION_BASE)
    from mnistexp.sweeps import SweepTask

    is_sweep = bool({"-m", "--multirun"} & set(arguments))
    try:
        decorate(SweepTask() if is_sweep else _run_composed)()
    except COMPOSITION_ERRORS as error:
        overrides = [argument for argument in arguments if "=" in argument]
        raise ConfigError(format_hydra_error(error, overrides)) from error


def _run_composed(cfg: DictConfig) -> None:
    """Run the config that Hydra composed without `-m`."""
    hydra_config = HydraConfig.get()
    source = read_config_source(hydra_config, Path(hydra_config.runtime.output_dir))
    _run(resolve_config(cfg, source), source)


def _run(config: Config, source: ConfigSource) -> None:
    if config.sweep.dry_run:
        raise ConfigError(
            "sweep.dry_run: expected together with -m, since it lists the jobs of a sweep. "
            "Received: a single run. Use --cfg job to see its settings"
        )
    # Imported only after validation, so that a wrong setting is reported at once.
    from mnistexp.commands.summary import print_summary
    from mnistexp.experiment import run_experiment

    try:
        result = run_experiment(config, source)
    except TrainingDiverged:
        if config.expect is not None and config.expect.diverges:
            print("This is the expected result: the experiment shows a training that diverges.")
        raise
    print_summary(result, source)
    result.viewer.wait()


def _check_option(argument: str) -> None:
    name = argument.partition("=")[0]
    known = (*OPTIONS, *OPTIONS_WITH_VALUE, *FOLDER_OPTIONS)
    if name not in known:
        raise ConfigError(
            f"{name}: unknown option.{did_you_mean(name, known)} Write settings as "
            "NAME=VALUE; see mnistexp --help"
        )


def _check_option_value(option: str, value: str) -> None:
    if option in ("--cfg", "-c") and value not in CONFIG_KINDS:
        raise ConfigError(
            f"{option}: expected one of {', '.join(CONFIG_KINDS)}. Received: {value!r}."
            f"{did_you_mean(value, CONFIG_KINDS)}"
        )


def _check_brackets(argument: str, following: str) -> None:
    """Refuse a mapping or a list with spaces that the shell has split into arguments."""
    is_open = any(argument.count(begin) > argument.count(end) for begin, end in ("{}", "[]"))
    if is_open and following and not following.startswith("-"):
        path = argument.partition("=")[0]
        raise ConfigError(
            f"{path}: expected one argument. Received: {argument!r} and {following!r}, because "
            f"the shell splits arguments at spaces. Put it into quotation marks: '{path}=…'"
        )


def _check_assignment(argument: str, commands: list[str], following: str) -> None:
    """Refuse an argument that is no setting. following: the next argument, or an empty text."""
    if argument.startswith("~") or "=" in argument[1:]:
        return
    if following.startswith("=") or argument.startswith("="):
        raise ConfigError(
            f"{argument}: expected a setting NAME=VALUE. Received: {argument!r}. "
            "Write no spaces around ="
        )
    if argument in commands:
        raise ConfigError(
            f"{argument}: expected as the first word. Received: after other arguments. "
            f"Write mnistexp {argument} …"
        )
    option = Path(argument).stem if argument.endswith(".yaml") else argument
    group = next((name for name, options in list_groups().items() if option in options), None)
    hint = f" Did you mean {group}={option}?" if group else did_you_mean(argument, commands)
    raise ConfigError(
        f"{argument}: expected a command or a setting NAME=VALUE. "
        f"Received: {argument!r}.{hint} See mnistexp --help"
    )
