"""Format errors of Hydra and OmegaConf as one line that says what to do."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnistexp.config.config import Config
from mnistexp.config.config_groups import (
    EXPERIMENT_GROUPS,
    list_groups,
    misplaced_files,
    without_ending,
)
from mnistexp.config.option_reader import read_option
from mnistexp.config.schema_tree import SchemaTree
from mnistexp.config.yaml_parser import MAX_DEPTH
from mnistexp.errors import ConfigError, MnistexpError, did_you_mean
from mnistexp.optim import find_keras_optimizer

LAUNCHER_EXTRAS = {
    "hydra/launcher/joblib": "processes",
    "hydra/launcher/submitit_slurm": "slurm",
    "hydra/launcher/submitit_local": "slurm",
    "hydra/launcher/ray": "ray",
}
"""The extra of mnistexp that installs each of Hydra's launchers."""
MAX_DIGITS = 400
"""No number of so many digits is a valid setting; Python itself refuses 4,300."""
MAX_NAME_LENGTH = 200
MAX_CHOICE_LENGTH = 1_000
CHOICE = re.compile(r"[^\[{$]*|\[\s*[^\[{$,\]\d][^\[{$]*\]|(choice|glob|range|shuffle|sort)\(.*\)")
"""The choice of one option, of a list of options, or of several ones for a sweep."""
HYDRA_RECORDS = ("hydra.overrides", "hydra.runtime")
"""Sections in which Hydra notes what the command line says. They are no settings."""
DEFAULT_OF_HYDRA = {"hydra.sweeper": "grid", "hydra.launcher": "basic"}
"""The options that are used if none is chosen, by section."""
HYDRA_SECTIONS = tuple(f"{section}." for section in DEFAULT_OF_HYDRA)
COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, RecursionError)
"""What Hydra raises for overrides and files that cannot be composed; see `format_hydra_error`."""


@contextmanager
def composition_errors_explained(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into a ConfigError of one line.

    Args:
        overrides: those that are composed.
    """
    try:
        yield
    except MnistexpError:
        raise
    except (*COMPOSITION_ERRORS, ValueError) as error:
        raise ConfigError(format_hydra_error(error, overrides)) from error
    # For unusual values of settings of Hydra, they raise exceptions of any kind.
    except Exception as error:
        names = ", ".join(override.partition("=")[0].lstrip("+~") for override in overrides)
        problem = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigError(
            f"{names}: expected values that Hydra can compose. Received: {problem}. Remove the "
            "overrides one by one to find the wrong one"
        ) from error


def check_override(override: str, groups: Collection[str]) -> None:
    """Refuse what Hydra would answer by an exception without an explanation.

    Raises:
        ConfigError: the value is nested too deeply, no name is chosen in a group, or the setting
            is Hydra's own record.
    """
    name, _, value = override.partition("=")
    if name.lstrip("+~").startswith(HYDRA_RECORDS):
        raise ConfigError(
            f"{name}: expected another setting, since Hydra records its choices there. "
            f"Received: {value}"
        )
    if len(name) > MAX_NAME_LENGTH:  # Hydra looks for a file of this name.
        raise ConfigError(f"{name}: expected the name of a setting. Received: {len(name)} letters")
    if _nesting_depth(value) > MAX_DEPTH:
        raise ConfigError(f"{name}: expected at most {MAX_DEPTH} levels. Received: more")
    if re.search(rf"\d{{{MAX_DIGITS},}}", value):
        raise ConfigError(
            f"{name}: expected a number of fewer than {MAX_DIGITS} digits. Received: {value}"
        )
    group = name.lstrip("+")
    if group in groups and (not CHOICE.fullmatch(value) or len(value) > MAX_CHOICE_LENGTH):
        raise ConfigError(_format_unknown_option(group, value))


def _nesting_depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def format_hydra_error(error: Exception, overrides: Sequence[str]) -> str:
    """Return the message of one of `COMPOSITION_ERRORS` as one line that says what to do.

    Args:
        overrides: those that could not be composed.
    """
    if isinstance(error, OverrideParseException):
        return _format_parse_error(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file in LAUNCHER_EXTRAS:
        extra = LAUNCHER_EXTRAS[error.missing_cfg_file]
        return (
            "hydra/launcher: expected the package of this launcher to be installed. "
            f"Received: none. Install it with pip install 'mnistexp[{extra}]'"
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _format_unknown_option(*_split_choice(str(error.missing_cfg_file)))
    if isinstance(error, RecursionError):
        return "defaults: expected files that do not include each other. Received: a circle"
    first, *others = str(error).splitlines()
    refused = re.fullmatch(r"Could not override '(.+)'\.", first)
    if first.startswith("Config group override must be a string") or (
        refused and refused[1] in (*list_groups(), *EXPERIMENT_GROUPS)
    ):
        return _format_wrong_choice(overrides)
    if refused and refused[1].startswith(HYDRA_SECTIONS):
        return _format_unknown_hydra_setting(refused[1], overrides)
    # The message of an error inside a file is in the second line.
    message = " ".join([first, *others[:1]] if first.endswith(":") else [first]).replace("++", "")
    ambiguous = re.fullmatch(r"Ambiguous value for argument '([^=]+)=(.*)'", message)
    if ambiguous:
        name, values = ambiguous.groups()
        return (
            f"{name}: expected one value without -m. Received: {values}. Add -m to run each value "
            "(in Python, call run for each one), or quote a text that contains commas"
        )
    return message


def _format_parse_error(error: OverrideParseException) -> str:
    override = str(error.override).removeprefix("++").replace("\n", "\\n")
    reason = str(error).splitlines()[0]
    value = override.partition("=")[2].strip()
    if value.endswith(",") or value.startswith(",") or ",," in value:
        return f"{override}: expected a value on each side of a comma. Received: a comma too many"
    if reason.startswith("Error parsing override"):  # A function with wrong arguments.
        details = " ".join(str(error).splitlines()[1:2]).strip() or "wrong arguments"
        return f"{override}: expected a function of Hydra with its arguments. Received: {details}"
    return (
        f"{override}: expected NAME=VALUE in Hydra's grammar; a value with special characters "
        f"needs quotes within quotes, 'NAME=\"VALUE\"'. {reason}"
    )


def _format_wrong_choice(overrides: Sequence[str]) -> str:
    """Return the message about the first choice that is no name, or of a group without options."""
    groups = list_groups()
    for item in OverridesParser.create().parse_overrides(list(overrides)):
        group = item.key_or_group
        is_wrong = not isinstance(item.value(), str | list) if group in groups else True
        if is_wrong and group in (*groups, *EXPERIMENT_GROUPS):
            return _format_unknown_option(group, item.get_value_element_as_str())
    return f"{', '.join(overrides)}: expected names of options. Received: something else"


def _format_unknown_hydra_setting(path: str, overrides: Sequence[str]) -> str:
    """Return the message about a setting that the chosen sweeper or launcher does not have.

    Args:
        path: `hydra.sweeper.n_trial`.
    """
    section = next(section for section in DEFAULT_OF_HYDRA if path.startswith(f"{section}."))
    name, group = path.removeprefix(f"{section}."), section.replace(".", "/")
    choices = [o.partition("=")[2] for o in overrides if o.lstrip("+").startswith(f"{group}=")]
    option = choices[-1] if choices else DEFAULT_OF_HYDRA[section]
    known = [key for key in read_option(group, option) if key not in ("_target_", "defaults")]
    expected = f"a setting of {group}={option}: {', '.join(known)}" if known else "another setting"
    owners = [other for other in list_groups()[group] if name in read_option(group, other)]
    hint = f" It is a setting of {group}={owners[0]}" if owners else did_you_mean(name, known)
    return f"{path}: expected {expected}. Received: {name!r}.{hint}"


def _split_choice(path: str) -> tuple[str, str]:
    """Return group and option: `optim/conf/optim/mine` is the option `conf/optim/mine` of optim."""
    groups = {*list_groups(), *EXPERIMENT_GROUPS}
    parents = [path[: slash.start()] for slash in re.finditer("/", path)]
    known = [parent for parent in parents if parent in groups]
    group = known[-1] if known else path.rpartition("/")[0]
    return group, path.removeprefix(f"{group}/")


def _format_unknown_option(group: str, option: str) -> str:
    options = list_groups().get(group, [])
    received, option = option, without_ending(option)
    option = Path(option).name  # A path such as conf/model/mine.yaml.
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


def format_interpolation_error(error: OmegaConfBaseException, cfg: DictConfig) -> str:
    """Return the message of a reference `${…}` that cannot be resolved, in one line.

    Args:
        cfg: the config that contains it. Similar names are those of its types of sections.
    """
    message = str(error).splitlines()[0]
    unknown = re.search(r"Interpolation key '(.+)' not found", message)
    if not unknown:
        return message
    raw = OmegaConf.to_container(cfg, resolve=False)
    known = set(SchemaTree(Config).chosen_setting_paths(raw))
    hint = f" Set {unknown[1]}" if unknown[1] in known else did_you_mean(unknown[1], known)
    return f"{message}.{hint}" if hint else message
