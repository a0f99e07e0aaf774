"""Compose overrides into a typed config with Hydra, and validate it."""

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import hydra
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from mnistexp.config.config import SHARED_MODEL_SETTINGS, Config
from mnistexp.config.config_groups import (
    EXPERIMENT_GROUPS,
    ROOT_FOLDERS,
    list_groups,
    package_folder,
    package_folders,
)
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.data_settings import complete_data_settings
from mnistexp.config.hydra_errors import (
    check_override,
    composition_errors_explained,
    format_interpolation_error,
)
from mnistexp.config.option_reader import locate_setting, read_option
from mnistexp.config.search_path import SCHEME, register_search_path
from mnistexp.config.validation_errors import format_validation_error
from mnistexp.errors import ConfigError, InputError

HYDRA_VERSION_BASE = "1.3"
PRIMARY_CONFIG = "config"
RECORD_GROUP = "record"
"""The group of experiments whose settings may be chosen on validation images only."""
SEARCH_SETTINGS = "data.validation_size=10000 data.use_test=false train.evaluate_on=[validation]"
"""Settings of a run of this group that measures the recipe on validation images."""
SWEEP_JOB_OVERRIDE = "++sweep.job="
"""The start of the override that a sweep adds to each of its jobs. It is not the user's."""
# The resolver makes folder names unique: two runs may start in the same second.
OmegaConf.register_new_resolver("unique", lambda: uuid4().hex[:6], use_cache=True)


register_search_path()


def compose_config(overrides: list[str]) -> tuple[Config, ConfigSource]:
    """Compose overrides into a typed config.

    Args:
        overrides: choices and settings, `["model=conv", "train.epochs=3"]`.

    Raises:
        ConfigError: an override cannot be parsed, or the config is not valid.
    """
    groups = list_groups()
    folder = str(package_folder("conf"))
    prefixed = [add_force_prefix(override, groups) for override in overrides]
    with (
        composition_errors_explained(overrides),
        hydra.initialize_config_dir(folder, version_base=HYDRA_VERSION_BASE),
    ):
        cfg = hydra.compose(PRIMARY_CONFIG, prefixed, return_hydra_config=True)
        source = read_config_source(cfg.hydra, Path(cfg.hydra.run.dir))
    return _resolve_without_hydra(cfg, source), source


def add_force_prefix(override: str, groups: Collection[str]) -> str:
    """Write a setting as Hydra's `++name=value`, so that only our schema decides what exists.

    Choices of groups, settings of Hydra and overrides with a prefix remain unchanged.

    Raises:
        ConfigError: see `check_override`.
    """
    check_override(override, (*groups, *EXPERIMENT_GROUPS))
    name = override.partition("=")[0]
    is_choice = name.partition("@")[0] in (*groups, *EXPERIMENT_GROUPS)
    if is_choice or name.startswith(("+", "~", "hydra.", "hydra/")):
        return override
    return f"++{override}"


def read_config_source(hydra_cfg: Any, folder: Path | None = None) -> ConfigSource:
    """Return the choices and overrides that Hydra recorded in its part of a composed config.

    Args:
        hydra_cfg: the section `hydra`.
        folder: the run's output folder, if it has one.
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
            if not str(override).startswith(SWEEP_JOB_OVERRIDE)
        ),
        folder=folder,
        options=tuple(_config_dir_options(hydra_cfg)),
    )


def _config_dir_options(hydra_cfg: Any) -> Iterator[str]:
    """Yield `--config-dir` and its folder, from the working folder, for each one that is used."""
    named = {Path.cwd().resolve() / name for name in ROOT_FOLDERS}
    for source in hydra_cfg.runtime.config_sources:
        folder = Path(source.path)
        if source.schema == SCHEME and folder.resolve() not in {*package_folders(), *named}:
            yield from ("--config-dir", os.path.relpath(folder))


def resolve_composed(cfg: DictConfig, folder: Path | None = None) -> tuple[Config, ConfigSource]:
    """Resolve and validate a composed config that still has Hydra's section `hydra`.

    Args:
        cfg: the composed config. The section is removed from it.
        folder: the run's output folder, if it has one.

    Raises:
        ConfigError: with one line for each wrong setting.
    """
    source = read_config_source(cfg.hydra, folder)
    return _resolve_without_hydra(cfg, source), source


def _resolve_without_hydra(cfg: DictConfig, source: ConfigSource) -> Config:
    with open_dict(cfg):
        del cfg["hydra"]
    return resolve_config(cfg, source)


def resolve_config(cfg: DictConfig, source: ConfigSource) -> Config:
    """Resolve and validate what Hydra composed.

    Raises:
        ConfigError: with one line for each wrong setting. It begins with the file and line if a
            file of the user contains the setting.
    """
    with located_errors(source):
        config = _validate(cfg, source)
        _check_unused_sections(config, source)
        _check_unused_average(config, source)
        _check_record_protocol(config, source)
    return config


@contextmanager
def located_errors(source: ConfigSource) -> Iterator[None]:
    """Put the file and line in front of each message `SETTING: …` about a file of the user.

    Args:
        source: what the config was composed from.
    """
    try:
        yield
    except InputError as error:
        lines = [_add_place(line, source) for line in str(error).splitlines()]
        raise type(error)("\n".join(lines)) from error


def _validate(cfg: DictConfig, source: ConfigSource) -> Config:
    complete_data_settings(cfg, source)
    try:
        _check_shared_model_settings(OmegaConf.to_container(cfg, resolve=False), source)
        raw: Any = OmegaConf.to_container(cfg, resolve=True)
    except RecursionError as error:
        raise ConfigError(
            "expected references ${…} that do not refer to themselves. Received: a circle"
        ) from error
    except OmegaConfBaseException as error:
        path = f"{error.full_key}: " if error.full_key else ""
        message = _find_other_errors(cfg) or path + format_interpolation_error(error, cfg)
        raise ConfigError(message) from error
    _drop_inherited_learning_rate(raw.get("optim"), source)
    _drop_inherited_length(raw.get("train"), source)
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(format_validation_error(error, raw, Config)) from error


def _find_other_errors(cfg: DictConfig) -> str:
    """Return the wrong settings of a config that cannot be resolved.

    One of them may be the reason: `activaton`, while layers refer to ${model.activation}.
    """
    raw: Any = OmegaConf.to_container(cfg, resolve=False)
    try:
        Config.model_validate(raw)
    except ValidationError as error:
        return format_validation_error(error, raw, Config)
    return ""


def _add_place(message: str, source: ConfigSource) -> str:
    path = message.partition(":")[0]
    overridden = set(source.overridden) - set(source.choices)
    if any(f"{path}.".startswith(f"{name}.") for name in overridden):
        return message
    is_set = not message.endswith("Received: nothing")
    place = locate_setting(path, source.choices, exact=is_set)
    return f"{place}: {message}" if place else message


def _drop_inherited_learning_rate(optim: Any, source: ConfigSource) -> None:
    """Remove a learning rate that was meant for another optimizer than the one that the user chose.

    With `optim.type=NAME` it is the rate of the former type; with an experiment and `optim=NAME` it
    is the rate of the experiment.
    """
    overridden = set(source.overridden)
    if not isinstance(optim, dict) or "optim.learning_rate" in overridden:
        return
    if overridden & {"optim.type", "optim.class_name"}:
        optim["learning_rate"] = None
    elif source.experiment and "optim" in overridden:
        option = read_option("optim", source.choices["optim"])
        optim["learning_rate"] = option.get("learning_rate")


def _drop_inherited_length(train: Any, source: ConfigSource) -> None:
    """Remove the length of an experiment, in steps, if the user set epochs; and the reverse."""
    names = [name for name in ("epochs", "steps") if f"train.{name}" in source.overridden]
    if isinstance(train, dict) and len(names) == 1 and train.get(names[0]) is not None:
        train["steps" if names[0] == "epochs" else "epochs"] = None


def _check_shared_model_settings(raw: Any, source: ConfigSource) -> None:
    """Refuse an override of a setting of the whole network that no layer refers to."""
    model = raw.get("model")
    layers = json.dumps(model.get("layers")) if isinstance(model, dict) else ""
    for name in SHARED_MODEL_SETTINGS:
        path = f"model.{name}"
        is_used = re.search(rf"\${{(\.*|model\.){name}\b", layers)
        is_set = any(f"{set_path}.".startswith(f"{path}.") for set_path in source.overridden)
        if is_set and not is_used:
            raise ConfigError(
                f"{path}: no layer of this model refers to ${{{path}}}, so it would have no "
                "effect. Set it for a layer: model.layers.NAME.…"
            )


def _check_unused_sections(config: Config, source: ConfigSource) -> None:
    """Reject an override in a section that has no effect for this type of model."""
    for setting in source.overridden:
        section, _, name = setting.partition(".")
        if name and section in config.unused_sections:
            raise ConfigError(
                f"{setting}: model={config.model.type} does not use {section}, so it would have "
                "no effect. Remove it"
            )


def _check_unused_average(config: Config, source: ConfigSource) -> None:
    """Reject the momentum of a moving average of the weights that is not computed."""
    if "optim.ema_momentum" in source.overridden and not config.optim.use_ema:
        raise ConfigError(
            "optim.ema_momentum: without the moving average of the weights it would have no "
            "effect. Add optim.use_ema=true, or remove it"
        )


def _check_record_protocol(config: Config, source: ConfigSource) -> None:
    """Refuse a run of the group `record` that looks at test images before the end.

    What is chosen is chosen on validation images. The chosen recipe trains on all training images,
    and reads the test images once, with its final weights.
    """
    name = source.choices.get(RECORD_GROUP)
    if name is None:
        return
    if "test" in config.train.evaluate_on:
        raise ConfigError(
            f"train.evaluate_on: expected [] or [validation], since {RECORD_GROUP}={name} reads "
            f"the test images once, at its end. Received: {config.train.evaluate_on}. Remove test"
        )
    if config.data.validation_size and config.data.use_test:
        raise ConfigError(
            f"data.use_test: expected false with validation images, since {RECORD_GROUP}={name} "
            f"reads the test images only after a training on all others. Received: true. To "
            f"choose settings, add {SEARCH_SETTINGS}"
        )
