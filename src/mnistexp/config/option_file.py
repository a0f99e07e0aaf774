"""The YAML file of an option as PyYAML's nodes, which know their lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mnistexp.errors import ConfigError


@dataclass(frozen=True)
class OptionFile:
    """The checked file of an option.

    Attributes:
        group: the config group, `optim/decay`; empty for the primary config.
        package: what the comment `# @package` says; None without it.
        root: the settings as PyYAML's nodes, which know their lines.
    """

    path: Path
    group: str
    text: str
    package: str | None
    root: yaml.MappingNode

    @property
    def section(self) -> list[str]:
        """The path of the section that the file sets: `["optim", "decay"]`, `[]` for the root."""
        if self.package == "_global_":
            return []
        return self.package.split(".") if self.package else self.group.split("/")

    @property
    def defaults(self) -> list[yaml.Node]:
        """The entries of the defaults list."""
        node = dict(entries_of(self.root)).get("defaults")
        return node.value if isinstance(node, yaml.SequenceNode) else []

    def find_line(self, path: Sequence[str], exact: bool = True) -> int | None:
        """Return the line that sets a setting of the config; None if the file does not set it.

        Args:
            exact: if false, the line of the innermost section that contains it may be returned.
        """
        depth = len(self.section)
        if list(path[:depth]) != self.section:
            return None
        node: yaml.Node | None = self.root
        line = None
        for name in path[depth:]:
            found = next((pair for pair in _children(node) if pair[0] == name), None)
            if found is None:
                return None if exact else line
            _, line, node = found
        return line


def _children(node: yaml.Node | None) -> Iterator[tuple[str, int, yaml.Node]]:
    """Yield the name or index, the line and the value of each entry of a mapping or list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.value, line_of(key), value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield str(index), line_of(item), item


def format_place(file: Path, line: int) -> str:
    """Return `conf/model/wide.yaml, line 3`, relative to the working folder if possible."""
    folder = Path.cwd()
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return f"{shown}, line {line}"


def node_error(
    file: OptionFile, node: yaml.Node, expected: str, received: str, hint: str = ""
) -> ConfigError:
    """Return the error about a node: `FILE, line N: expected X. Received: Y.` and a hint."""
    place = format_place(file.path, line_of(node))
    return ConfigError(f"{place}: {expected}. Received: {received}.{hint}".removesuffix("."))


def entries_of(mapping: yaml.MappingNode) -> list[tuple[Any, yaml.Node]]:
    """Return the names and values of a mapping."""
    return [(key.value, value) for key, value in mapping.value if isinstance(key.value, str)]


def line_of(node: yaml.Node) -> int:
    """Return the line of a node, from 1."""
    return int(node.start_mark.line) + 1


def describe_kind(node: yaml.Node) -> str:
    """Return `a mapping`, `a list` or `a text`."""
    names = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "a text"}
    return names[type(node)]
