"""Read the config that a run logged, and what it was composed from."""

import shlex
from typing import Any

from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups, split_config_folders
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.option_reader import read_option
from mnistexp.device import num_threads
from mnistexp.errors import InputError
from mnistexp.tracking import COMMAND_TAG, RunRecord, RunStore


def read_logged_settings(store: RunStore, run: RunRecord) -> Any:
    """Return the settings that a run logged, as OmegaConf reads them.

    Data is downloaded from the address that the option of this data set has here, not from the
    logged one, because the run may be of someone else.

    Raises:
        InputError: the run has no config.
    """
    from omegaconf import OmegaConf

    text = store.artifact(run.run_id, "config.yaml")
    if text is None:
        raise InputError(
            f"{run.name}: expected the artifact config.yaml. Received: {run.run_id}, which has none"
        )
    settings: Any = OmegaConf.create(text.decode())
    settings.data.url = read_option("data", settings.data.name).get("url")
    return settings


def read_logged_source(run: RunRecord) -> ConfigSource:
    """Return the choices and overrides of a run, without its folder."""
    folders, overrides = split_config_folders(shlex.split(run.tags.get(COMMAND_TAG, ""))[1:])
    groups = (*list_groups(), *EXPERIMENT_GROUPS)
    return ConfigSource(
        choices={group: run.params[group] for group in groups if group in run.params},
        overrides=tuple(overrides),
        options=tuple(word for folder in folders for word in ("--config-dir", str(folder))),
    )


def with_recorded_threads(config: Config, run: RunRecord) -> Config:
    """Return the config with the number of threads of the run, on which weights may depend."""
    threads = run.threads
    if config.device.threads is not None or threads in (None, num_threads(config.device)):
        return config
    device = config.device.model_copy(update={"threads": threads})
    return config.model_copy(update={"device": device})
