"""Complete an override that is being typed: `model=con`, `train.ep`, `optim/decay=`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.config.option_reader import read_option
from mnistexp.config.schema_tree import JsonSchema, SchemaTree, is_object

HYDRA_GROUPS = ("sweeper", "launcher")
"""Hydra's groups that have options in our `conf` folder."""


def complete_override(overrides: Sequence[str], incomplete: str) -> list[str]:
    """Return the possible completions of an override.

    Args:
        overrides: the overrides before it. For example, the chosen model determines its layers.
        incomplete: the text to complete: `model=con`, `train.`, or empty.

    Returns:
        Complete overrides, or names that end with `=` or `.` and can be completed further.
    """
    groups = list_groups()
    name, equals, value = incomplete.partition("=")
    if equals:
        # A sweep separates values by commas: only the last one is completed.
        first_values, comma, last_value = value.rpartition(",")
        possible = groups[name] if name in groups else _setting_values(overrides, name)
        start = f"{name}={first_values}{comma}"
        if possible == ["null"]:  # A number, or null: Tab must not choose null.
            possible = []
        return [f"{start}{text}" for text in possible if text.startswith(last_value)]
    choices = [f"{group}=" for group in groups if group.startswith(incomplete)]
    find_settings = _hydra_settings if incomplete.startswith("hydra.") else _settings
    settings = find_settings(overrides, incomplete)
    return choices + [setting for setting in settings if setting not in choices]


def _config_schema() -> SchemaTree:
    from mnistexp.config.config import Config

    return SchemaTree(Config)


def _setting_values(overrides: Sequence[str], path: str) -> list[str]:
    return _config_schema().values(path.split("."), _chosen_config(overrides))


def _settings(overrides: Sequence[str], incomplete: str) -> Iterator[str]:
    """Yield the settings and sections that begin with an incomplete path."""
    tree, config = _config_schema(), _chosen_config(overrides)
    *section, begin = incomplete.split(".")
    for name in tree.children(section, config):
        if name.startswith(begin):
            path = [*section, name]
            for end in _path_endings(tree.alternatives(path, config)):
                yield ".".join(path) + end


def _path_endings(schemas: Sequence[JsonSchema]) -> list[str]:
    """Return `.` for a section, `=` for a value, and both if a setting can be either."""
    are_objects = [is_object(schema) for schema in schemas if schema.get("type") != "null"]
    return (["."] if any(are_objects) else []) + ([] if all(are_objects) else ["="])


def _hydra_settings(overrides: Sequence[str], incomplete: str) -> Iterator[str]:
    """Yield the settings in the YAML files of the chosen sweeper and launcher."""
    config = _chosen_config(overrides)
    path, _, begin = incomplete.rpartition(".")
    section: Any = {"hydra": {group: config.get(f"hydra/{group}", {}) for group in HYDRA_GROUPS}}
    for name in path.split("."):
        section = section.get(name, {}) if isinstance(section, dict) else {}
    for name, value in section.items() if isinstance(section, dict) else ():
        if str(name).startswith(begin) and name not in ("defaults", "_target_"):
            yield f"{path}.{name}{'.' if isinstance(value, dict) else '='}"


def _chosen_config(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the content of the chosen options' YAML files, by group.

    They are not composed with Hydra, which would take longer: only names are needed.
    """
    typed = dict(text.partition("=")[::2] for text in overrides if "=" in text)
    choices = _default_choices(read_option("", "config"))
    for group in EXPERIMENT_GROUPS:
        if group in typed:
            choices |= _default_choices(read_option(group, typed[group]))
    choices |= typed
    config = {group: read_option(group, option) for group, option in choices.items() if option}
    optim = config.get("optim", {})
    decay = choices.get("optim/decay") or _default_choices(optim).get("decay", "")
    return {**config, "optim": {**optim, "decay": read_option("optim/decay", decay)}}


def _default_choices(option: Mapping[str, Any]) -> dict[str, str]:
    """Return the choices of a file's defaults list, also of the form `override /model: conv`."""
    entries = [entry for entry in option.get("defaults", []) if isinstance(entry, dict)]
    pairs = [pair for entry in entries for pair in entry.items()]
    return {str(key).removeprefix("override ").lstrip("/"): choice for key, choice in pairs}
