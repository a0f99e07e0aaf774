"""Read and check the YAML file of an option, so that an error names the file and the line.

Only PyYAML is needed, so completion reads files here too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from mnistexp.config.config_groups import (
    EXPERIMENT_GROUPS,
    list_groups,
    option_file,
    user_folders,
)
from mnistexp.errors import ConfigError, did_you_mean

PACKAGE_COMMENT = "# @package _global_"
"""The first line of an experiment: its settings are those of the whole config."""
MAX_DEPTH = 50
MAX_NODES = 20_000
"""Aliases may expand a short text to billions of values."""
TAG = "tag:yaml.org,2002:"
"""The prefix of YAML's standard tags."""
SCALAR_TAGS = {f"{TAG}{name}" for name in ("null", "bool", "int", "float", "str", "timestamp")}
ALLOWED_TAGS = {*SCALAR_TAGS, *(f"{TAG}{name}" for name in ("seq", "map", "merge", "value"))}
YAML_HINTS = {
    "expected ',' or '}'": "a closing } of the { here",
    "expected ',' or ']'": "a closing ] of the [ here",
    "found unexpected end of stream": "a closing quote of the text that begins here",
    "mapping values are not allowed": "quotes around a text that contains ': '",
    "could not find expected ':'": "NAME: VALUE, with a space after the colon",
    "expected <block end>": "the same indentation as in the lines above",
    "but found another document": "one document. Remove the line ---, or make two files",
    "found undefined alias": "a name without *, or a text in quotes",
    "found unhashable key": "a name before the colon",
}
"""What PyYAML expected, by the beginning of what it says."""
MISSING_SPACE = re.compile(r"[A-Za-z_][\w.]*:[^\s:/]\S*( +#.*)?")
"""NAME:VALUE, which YAML reads as one text. `http://…` is no such slip."""
MISSING_SPACE_PROBLEMS = ("mapping values", "could not find expected ':'", "expected <block end>")
"""What PyYAML says about the line after such a slip."""
EXPECTED_SPACE = "expected a space after the colon"


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
        node = dict(_entries(self.root)).get("defaults")
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
            keys = node.value if isinstance(node, yaml.MappingNode) else []
            found = next((pair for pair in keys if pair[0].value == name), None)
            if found is None:
                return None if exact else line
            line, node = _line(found[0]), found[1]
        return line


def format_place(file: Path, line: int) -> str:
    """Return `conf/model/wide.yaml, line 3`, relative to the working folder if possible."""
    folder = Path.cwd()
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return f"{shown}, line {line}"


def read_option_file(path: Path, group: str) -> OptionFile:
    """Read and check a file.

    Raises:
        ConfigError: the file is no valid option. The message names file, line and what to write.
    """
    text = _read_text(path)
    root = _parse(path, text)
    file = OptionFile(path, group, text, _package(text), root)
    _check_nodes(file)
    if group and not group.startswith("hydra/"):
        _check_package(file)
        _check_defaults(file)
    return file


def read_option(group: str, option: str) -> dict[str, Any]:
    """Return the content of an option, merged with the options of its group that it builds on.

    An option that does not exist or whose file is broken is empty.
    """
    try:
        files = list(included_files(group, option))
    except ConfigError:
        return {}
    content: dict[str, Any] = {}
    for file in files:
        content = _merge(content, yaml.safe_load(file.text))
    return content


def included_files(group: str, option: str, parents: Sequence[str] = ()) -> Iterator[OptionFile]:
    """Yield the files of an option: those that it builds on by its defaults list, then its own.

    Raises:
        ConfigError: a file is no valid option, or includes itself.
    """
    path = option_file(group, option)
    if path is None:
        return
    file = read_option_file(path, group)
    for node in file.defaults:
        if not isinstance(node, yaml.ScalarNode) or node.value == "_self_":
            continue
        if node.value in (*parents, option):
            raise _error(
                file, node, f"expected an option that does not include {option}", node.value
            )
        yield from included_files(group, node.value, (*parents, option))
    yield file


def locate_setting(path: str, choices: Mapping[str, str], exact: bool = True) -> str | None:
    """Return the file and line of the user's own file that sets a setting; None if none does.

    Args:
        path: `model.layers.hidden1.units`.
        choices: the chosen option of each group.
        exact: see `OptionFile.find_line`.
    """
    folders = (Path.cwd(), *user_folders())
    place = None
    for group, option in choices.items():
        for file in included_files(group, option):
            line = file.find_line(path.split("."), exact)
            if line is not None and any(map(file.path.is_relative_to, folders)):
                place = format_place(file.path, line)  # Later files override earlier ones.
    return place


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")  # Editors on Windows write a byte order mark.
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{format_place(path, line)}: expected text in UTF-8. Received: the byte "
            f"{content[error.start]:#x}"
        ) from error


def _parse(path: Path, text: str) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        line, message = _explain(error, text)
        raise ConfigError(f"{format_place(path, line)}: {message}") from error
    except RecursionError:
        raise ConfigError(
            f"{format_place(path, 1)}: expected at most {MAX_DEPTH} levels. Received: more"
        ) from None
    if isinstance(root, yaml.MappingNode):
        return root
    received = "nothing" if root is None else _kind(root)
    line = 1 if root is None else _line(root)
    written = text.splitlines()[line - 1].strip() if text else ""
    if MISSING_SPACE.fullmatch(written):
        raise ConfigError(f"{format_place(path, line)}: {EXPECTED_SPACE}. Received: {written}")
    raise ConfigError(
        f"{format_place(path, line)}: expected settings of the form NAME: VALUE. "
        f"Received: {received}. mnistexp new writes a file to start from"
    )


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the line of an error of PyYAML, and what was expected and received there."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"expected text. Received: the character {error.character:#x}"
    assert isinstance(error, yaml.MarkedYAMLError)
    lines = text.splitlines()
    for number, content in enumerate(lines, start=1):
        if re.match(r" *\t\s*[^\s#]", content):
            return number, "expected spaces before the text. Received: a tab"
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem)
    hint = next((hint for begin, hint in YAML_HINTS.items() if problem.startswith(begin)), None)
    if hint and "here" in hint and error.context_mark:
        mark = error.context_mark
    line = mark.line + 1 if mark else 1
    if problem.startswith(MISSING_SPACE_PROBLEMS) and (slip := _find_missing_space(lines, line)):
        return slip, f"{EXPECTED_SPACE}. Received: {lines[slip - 1].strip()}"
    received = lines[line - 1].strip() if line <= len(lines) else "the end of the file"
    if problem.startswith("mapping values") and len(re.findall(r":(?=\s|$)", received)) == 1:
        hint = "the indentation of the line above, or a colon at the end of that line"
    if hint and "{ here" in hint and re.search(r"\{.*\$\{", received):
        hint = 'quotes around "${…}" between { and }'
    if hint is None:
        return line, f"expected valid YAML. Received: {problem}"
    return line, f"expected {hint}. Received: {received}"


def _find_missing_space(lines: Sequence[str], line: int) -> int | None:
    """Return the number of a line NAME:VALUE: this one, or the one before it."""
    for number in range(min(line, len(lines)), 0, -1):
        written = lines[number - 1].strip()
        if MISSING_SPACE.fullmatch(written):
            return number
        if number < line and written and not written.startswith("#"):
            return None
    return None


def _package(text: str) -> str | None:
    """Return what the comment `# @package` says. As in Hydra, only other `# @` may precede it."""
    for line in filter(None, map(str.strip, text.splitlines())):
        if not re.match(r"#\s*@", line):
            break
        if found := re.fullmatch(r"#\s*@package\s+(\S+)", line):
            return found[1]
    return None


def _check_nodes(file: OptionFile) -> None:
    """Refuse unknown tags, repeated and empty names, deep nesting, and too many aliases."""
    sizes: dict[int, int] = {}

    def visit(node: yaml.Node, depth: int) -> int:
        """Return how many nodes a node stands for."""
        if depth > MAX_DEPTH:
            raise _error(file, node, f"expected at most {MAX_DEPTH} levels", "more")
        if id(node) in sizes:
            if not sizes[id(node)]:
                raise _error(file, node, "expected an anchor that does not contain itself", "*")
            return sizes[id(node)]
        sizes[id(node)] = 0  # Until it is known.
        if node.tag not in ALLOWED_TAGS:
            raise _error(file, node, "expected a value without a tag", node.tag.replace(TAG, "!!"))
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_names(file, node)
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        sizes[id(node)] = 1 + sum(visit(child, depth + 1) for child in children)
        if sizes[id(node)] > MAX_NODES:
            raise _error(file, node, f"expected at most {MAX_NODES} values", "more, by aliases")
        return sizes[id(node)]

    visit(file.root, 0)


def _check_names(file: OptionFile, mapping: yaml.MappingNode) -> None:
    first_lines: dict[str, int] = {}
    for key, value in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == f"{TAG}null":
            received = key.value or "nothing" if isinstance(key, yaml.ScalarNode) else _kind(key)
            raise _error(file, key, "expected a name before the colon", received)
        if key.value in first_lines and key.value != "<<":
            first = f"{key.value} again, first in line {first_lines[key.value]}"
            raise _error(file, key, "expected each name once", first)
        first_lines[key.value] = _line(key)
        is_empty = value.tag == f"{TAG}null"
        part = key if is_empty else value  # `{units:3}` is a name, an indented `units:3` a value.
        if (is_empty or _line(value) > _line(key)) and _lacks_space(part):
            raise _error(file, part, EXPECTED_SPACE, part.value)


def _lacks_space(node: yaml.Node) -> bool:
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return is_plain and MISSING_SPACE.fullmatch(node.value) is not None


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
            raise _error(
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
            place = format_place(file.path, _line(key))
            raise ConfigError(f"{place}: {key.value}: unknown setting. Did you mean defaults?")
    node = dict(_entries(file.root)).get("defaults")
    if node is not None and not isinstance(node, yaml.SequenceNode):
        raise _error(
            file, node, "expected a list with lines like - override /model: conv", _kind(node)
        )
    groups = list_groups()
    overrides = False
    for entry in file.defaults:
        is_override = _is_override(entry)
        if overrides and not is_override and entry.value != "_self_":
            raise _error(
                file, entry, "expected the lines with override last", "this one after them"
            )
        overrides = overrides or is_override
        if isinstance(entry, yaml.ScalarNode):
            if re.search("[=:]", entry.value) and "${" not in entry.value:
                expected = f"expected {re.sub('[=:]', ': ', entry.value, count=1)}"
                raise _error(file, entry, expected, entry.value)
            if entry.value != "_self_":
                _check_option(file, entry, file.group, groups)
        elif isinstance(entry, yaml.MappingNode) and len(entry.value) == 1:
            key, option = entry.value[0]
            _check_choice(file, key, option, groups)
        else:
            raise _error(file, entry, "expected one GROUP: OPTION after each -", _kind(entry))


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
        raise _error(file, key, "expected a config group", target, did_you_mean(group, groups))
    prefix = f"override /{group}"
    if file.group not in EXPERIMENT_GROUPS:
        prefix += f"@_global_.{group.replace('/', '.')}"  # Hydra adds the section of the file.
    must_override = file.group in EXPERIMENT_GROUPS or str(key.value).startswith("override /")
    if must_override and not at and key.value != prefix:
        written = f"{key.value}: {_shown(option)}"
        raise _error(file, key, f"expected {prefix}: {_shown(option)}", written)
    _check_option(file, option, group, groups)


def _check_option(
    file: OptionFile, node: yaml.Node, group: str, groups: Mapping[str, Sequence[str]]
) -> None:
    if node.tag == f"{TAG}null" or "${" in node.value or isinstance(node.value, list):
        return
    if node.tag != f"{TAG}str":
        raise _error(file, node, f'{group}: expected quotes, "{node.value}"', node.value)
    options = groups.get(group, [])
    if node.value.lstrip("/").removeprefix(f"{group}/") not in options:
        expected = f"{group}: expected one of {', '.join(options)}"
        raise _error(file, node, expected, repr(node.value), did_you_mean(node.value, options))


def _error(
    file: OptionFile, node: yaml.Node, expected: str, received: str, hint: str = ""
) -> ConfigError:
    place = format_place(file.path, _line(node))
    return ConfigError(f"{place}: {expected}. Received: {received}.{hint}".removesuffix("."))


def _entries(mapping: yaml.MappingNode) -> list[tuple[Any, yaml.Node]]:
    return [(key.value, value) for key, value in mapping.value if isinstance(key.value, str)]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: yaml.Node) -> str:
    names = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "a text"}
    return names[type(node)]


def _shown(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else "OPTION"


def _merge(first: Any, second: Any) -> Any:
    """Return nested mappings merged; other values of the second replace those of the first."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    both = {key: _merge(first[key], second[key]) for key in first if key in second}
    return {**first, **second, **both}
