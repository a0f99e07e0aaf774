"""The command that makes a logged run with the option files of today."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.config.config_groups import added_config_folders, split_config_folders
from mnistexp.config.config_hash import SECTIONS_WITHOUT_EFFECT_ON_RESULTS, config_hash
from mnistexp.errors import ConfigError, InputError
from mnistexp.tracking import COMMAND_TAG, RunRecord

PLAIN_TEXT = re.compile(r"[A-Za-z_][\w./-]*")
"""Texts that Hydra reads as they are; `null` and `true` are no such texts in a config."""


def command_of_run(run: RunRecord, config: Config) -> str:
    """Return a command that makes a run, quoted for a shell.

    It is the recorded one, with the settings that have another value in the files of today.

    Args:
        config: that the run logged.

    Raises:
        InputError: the recorded command is not valid here, or cannot be completed.
    """
    command = run.tags.get(COMMAND_TAG, "")
    try:
        words = shlex.split(command)
        folders, overrides = split_config_folders(words[1:])
        with added_config_folders(folders):
            changes = _changed_settings(overrides, config)
    except (ValueError, ConfigError) as error:
        raise InputError(
            f"{run.name}: expected that its command is valid here: {command}. "
            f"Received: {error}. mnistexp rerun {run.run_id} trains it from its logged config"
        ) from error
    return shlex.join([*words, *changes])


def _changed_settings(overrides: list[str], config: Config) -> list[str]:
    """Return the overrides that the recorded ones lack.

    Raises:
        ConfigError: with all of them, the config is still another one.
    """
    today, _ = compose_config(overrides)
    if _is_same(today, config):
        return []
    changes = list(_compare(_results_settings(today), _results_settings(config)))
    if not _is_same(compose_config([*overrides, *changes])[0], config):
        raise ConfigError("the option files of today describe another run, with other layers")
    return changes


def _is_same(first: Config, second: Config) -> bool:
    return config_hash(first, "") == config_hash(second, "")


def _results_settings(config: Config) -> dict[str, Any]:
    excluded = {*SECTIONS_WITHOUT_EFFECT_ON_RESULTS, *config.unused_sections}
    return config.model_dump(mode="json", exclude=excluded)


def _compare(today: Mapping[str, Any], logged: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield an override for each setting of `logged` that is another one in `today`."""
    for name in dict.fromkeys([*logged, *today]):
        full = f"{path}.{name}" if path else name
        before, after = today.get(name), logged.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, full)
        elif isinstance(after, dict):
            yield from _compare({}, after, full)
        elif before != after:
            yield f"{full}={_format(after)}"


def _format(value: Any) -> str:
    if isinstance(value, str) and PLAIN_TEXT.fullmatch(value):
        return value
    return json.dumps(value)
