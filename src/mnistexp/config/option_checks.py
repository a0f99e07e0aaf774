"""Check the YAML file of an option: its names, values, package comment and defaults list."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import yaml

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.config.option_file import (
    OptionFile,
    describe_kind,
    entries_of,
    format_place,
    line_of,
    node_error,
)
from mnistexp.config.yaml_parser import EXPECTED_SPACE, MAX_DEPTH, lacks_space
from mnistexp.errors import ConfigError, did_you_mean

PACKAGE_COMMENT = "# @package _global_"
"""The first line of an experiment: its settings are those of the whole config."""
MAX_NODES = 20_000
"""Aliases may expand a short text to billions of values."""
TAG = "tag:yaml.org,2002:"
"""The prefix of YAML's standard tags."""
ALLOWED_TAGS = {
    f"{TAG}{name}"
    for name in (
        *("null", "bool", "int", "float", "str", "timestamp"),
        *("seq", "map", "merge", "value"),
    )
}


def check_option_file(file: OptionFile) -> None:
    """Check an option's file.

    Raises:
        ConfigError: the file is no valid option. The message names file, line and what to write.
    """
    _check_nodes(file)
    if file.group and not file.group.startswith("hydra/"):
        _check_package(file)
        _check_defaults(file)


def _check_nodes(file: OptionFile) -> None:
    """Refuse unknown tags, repeated and empty names, deep nesting, and too many aliases."""
    sizes: dict[int, int] = {}

    def visit(node: yaml.Node, depth: int) -> int:
        """Return how many nodes a node stands for."""
        if depth > MAX_DEPTH:
            raise node_error(file, node, f"expected at most {MAX_DEPTH} levels", "more")
        if id(node) in sizes:
            if not sizes[id(node)]:
                raise node_error(file, node, "expected an anchor that does not contain itself", "*")
            return sizes[id(node)]
        sizes[id(node)] = 0  # Until it is known.
        if node.tag not in ALLOWED_TAGS:
            raise node_error(
                file, node, "expected a value without a tag", node.tag.replace(TAG, "!!")
            )
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_names(file, node)
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        sizes[id(node)] = 1 + sum(visit(child, depth + 1) for child in children)
        if sizes[id(node)] > MAX_NODES:
            raise node_error(file, node, f"expected at most {MAX_NODES} values", "more, by aliases")
        return sizes[id(node)]

    visit(file.root, 0)


def _check_names(file: OptionFile, mapping: yaml.MappingNode) -> None:
    first_lines: dict[str, int] = {}
    for key, value in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == f"{TAG}null":
            received = (
                key.value or "nothing" if isinstance(key, yaml.ScalarNode) else describe_kind(key)
            )
            raise node_error(file, key, "expected a name before the colon", received)
        if key.value in first_lines and key.value != "<<":
            first = f"{key.value} again, first in line {first_lines[key.value]}"
            raise node_error(file, key, "expected each name once", first)
        first_lines[key.value] = line_of(key)
        is_empty = value.tag == f"{TAG}null"
        part = key if is_empty else value  # `{units:3}` is a name, an indented `units:3` a value.
        if (is_empty or line_of(value) > line_of(key)) and _is_slip(part):
            raise node_error(file, part, EXPECTED_SPACE, part.value)


def _is_slip(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and lacks_space(node.value)


def _check_package(file: OptionFile) -> None:
    if file.group in EXPERIMENT_GROUPS:
        if file.package != "_global_":
            raise ConfigError(
                f"{format_place(file.path, 1)}: expected {PACKAGE_COMMENT} as the first line of an "
                f"experiment. Received: {file.text.splitlines()[0]!r}. Insert the comment above it"
            )
        return
    name = file.group.rpartition("/")[2]
    for key, value in file.root.value:
        if key.value == name and file.package is None and isinstance(value, yaml.MappingNode):
            raise node_error(
                file,
                key,
                f"expected the settings of {name} without {name}: around them, since the file is "
                f"in {file.group}/",
                f"{name}:",
            )


def _check_defaults(file: OptionFile) -> None:
    """Check groups and options in the defaults list; Hydra's messages lack file and line."""
    for key, _ in file.root.value:
        if key.value != "defaults" and get_close_matches(key.value, ["defaults"], cutoff=0.8):
            place = format_place(file.path, line_of(key))
            raise ConfigError(f"{place}: {key.value}: unknown setting. Did you mean defaults?")
    node = dict(entries_of(file.root)).get("defaults")
    if node is not None and not isinstance(node, yaml.SequenceNode):
        raise node_error(
            file,
            node,
            "expected a list with lines like - override /model: conv",
            describe_kind(node),
        )
    groups = list_groups()
    overrides = False
    for entry in file.defaults:
        is_override = _is_override(entry)
        if overrides and not is_override and entry.value != "_self_":
            raise node_error(
                file, entry, "expected the lines with override last", "this one after them"
            )
        overrides = overrides or is_override
        if isinstance(entry, yaml.ScalarNode):
            if re.search("[=:]", entry.value) and "${" not in entry.value:
                expected = f"expected {re.sub('[=:]', ': ', entry.value, count=1)}"
                raise node_error(file, entry, expected, entry.value)
            if entry.value != "_self_":
                _check_option(file, entry, file.group, groups)
        elif isinstance(entry, yaml.MappingNode) and len(entry.value) == 1:
            key, option = entry.value[0]
            _check_choice(file, key, option, groups)
        else:
            raise node_error(
                file, entry, "expected one GROUP: OPTION after each -", describe_kind(entry)
            )


def _is_override(entry: yaml.Node) -> bool:
    return isinstance(entry, yaml.MappingNode) and any(
        str(key.value).startswith("override ") for key, _ in entry.value
    )


def _check_choice(
    file: OptionFile, key: yaml.Node, option: yaml.Node, groups: Mapping[str, Sequence[str]]
) -> None:
    """Check an entry `override /model: conv` of an experiment, or `decay: cosine` of an option."""
    target, at, _ = str(key.value).split()[-1].partition("@")
    group = target.lstrip("/")
    if not target.startswith("/") and file.group not in EXPERIMENT_GROUPS:
        group = f"{file.group}/{group}"
    if group not in groups:
        raise node_error(file, key, "expected a config group", target, did_you_mean(group, groups))
    prefix = f"override /{group}"
    if file.group not in EXPERIMENT_GROUPS:
        prefix += f"@_global_.{group.replace('/', '.')}"  # Hydra adds the section of the file.
    must_override = file.group in EXPERIMENT_GROUPS or str(key.value).startswith("override /")
    if must_override and not at and key.value != prefix:
        written = f"{key.value}: {_shown(option)}"
        raise node_error(file, key, f"expected {prefix}: {_shown(option)}", written)
    _check_option(file, option, group, groups)


def _check_option(
    file: OptionFile, node: yaml.Node, group: str, groups: Mapping[str, Sequence[str]]
) -> None:
    if node.tag == f"{TAG}null" or "${" in node.value or isinstance(node.value, list):
        return
    if node.tag != f"{TAG}str":
        raise node_error(file, node, f'{group}: expected quotes, "{node.value}"', node.value)
    options = groups.get(group, [])
    if node.value.lstrip("/").removeprefix(f"{group}/") not in options:
        expected = f"{group}: expected one of {', '.join(options)}"
        raise node_error(file, node, expected, repr(node.value), did_you_mean(node.value, options))


def _shown(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else "OPTION"
