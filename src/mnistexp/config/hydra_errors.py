"""Format errors of Hydra and OmegaConf as one line that says what to do."""

import os
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from mnistexp.config.config import Config
from mnistexp.config.config_groups import (
    EXPERIMENT_GROUPS,
    list_groups,
    misplaced_files,
    without_ending,
)
from mnistexp.config.schema_tree import SchemaTree
from mnistexp.errors import did_you_mean
from mnistexp.optim import find_keras_optimizer

LAUNCHER_EXTRAS = {
    "hydra/launcher/joblib": "processes",
    "hydra/launcher/submitit_slurm": "slurm",
    "hydra/launcher/submitit_local": "slurm",
    "hydra/launcher/ray": "ray",
}
"""The extra of mnistexp that installs each of Hydra's launchers."""
COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, RecursionError)
"""What Hydra raises for overrides and files that cannot be composed; see `format_hydra_error`."""


def format_hydra_error(error: Exception, overrides: Sequence[str]) -> str:
    """Return the message of one of `COMPOSITION_ERRORS` as one line that says what to do.

    Args:
        overrides: those that could not be composed.
    """
    if isinstance(error, OverrideParseException):
        override = error.override.removeprefix("++")
        return (
            f"{override}: expected NAME=VALUE in Hydra's grammar; a value with special characters "
            f"needs quotes within quotes, 'NAME=\"VALUE\"'. {str(error).splitlines()[0]}"
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file in LAUNCHER_EXTRAS:
        extra = LAUNCHER_EXTRAS[error.missing_cfg_file]
        return (
            "hydra/launcher: expected the package of this launcher to be installed. "
            f"Received: none. Install it with pip install 'mnistexp[{extra}]'"
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return _format_unknown_option(group, option)
    if isinstance(error, RecursionError):
        return "defaults: expected files that do not include each other. Received: a circle"
    first, *others = str(error).splitlines()
    refused = re.fullmatch(r"Could not override '(.+)'\.", first)
    if first.startswith("Config group override must be a string") or (
        refused and refused[1] in (*list_groups(), *EXPERIMENT_GROUPS)
    ):
        return _format_wrong_choice(overrides)
    # The message of an error inside a file is in the second line.
    message = " ".join([first, *others[:1]] if first.endswith(":") else [first]).replace("++", "")
    if message.startswith("Ambiguous value"):
        return f"{message}. Add -m to run each value, or quote a text that contains commas"
    return message


def _format_wrong_choice(overrides: Sequence[str]) -> str:
    """Return the message about the first choice that is no name, or of a group without options."""
    groups = list_groups()
    group, option = next(
        (str(item.key_or_group), item.get_value_element_as_str())
        for item in OverridesParser.create().parse_overrides(list(overrides))
        if (item.key_or_group in groups and not isinstance(item.value(), str | list))
        or (item.key_or_group in EXPERIMENT_GROUPS and item.key_or_group not in groups)
    )
    return _format_unknown_option(group, option)


def _format_unknown_option(group: str, option: str) -> str:
    options = list_groups().get(group, [])
    received, option = option, without_ending(option)
    hint = "" if option in options else _other_hint(group, option)
    if not options:
        if group == "user" and not hint:
            hint = f" mnistexp new experiment {option} writes it"
        return f"{group}: expected a file {group}/{option}.yaml. Received: none.{hint}"
    message = f"{group}: expected one of {', '.join(options)}. Received: {received!r}"
    hint = hint or did_you_mean(option, options)
    return f"{message}.{hint}" if hint else message


def _other_hint(group: str, option: str) -> str:
    """Return where a file of this name is, or how to use Keras' optimizer of this name."""
    for file, place in misplaced_files(group, option):
        verb = "Rename" if file.parent == place.parent else "Move"
        return f" {verb} {os.path.relpath(file)} to {os.path.relpath(place)}"
    keras_class = find_keras_optimizer(option) if group == "optim" else None
    return f" Use optim=keras optim.class_name={keras_class}" if keras_class else ""


def format_interpolation_error(error: OmegaConfBaseException) -> str:
    """Return the message of a reference `${…}` that cannot be resolved, in one line."""
    message = str(error).splitlines()[0]
    unknown = re.search(r"Interpolation key '(.+)' not found", message)
    if not unknown:
        return message
    known = set(SchemaTree(Config).setting_paths())
    hint = f" Set {unknown[1]}" if unknown[1] in known else did_you_mean(unknown[1], known)
    return f"{message}.{hint}" if hint else message
