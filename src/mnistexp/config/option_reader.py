"""Read the files of options, with the options that they build on, and find settings in them.

Only PyYAML is needed, so completion reads files here too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mnistexp.config.config_groups import option_file, user_folders
from mnistexp.config.option_checks import check_option_file
from mnistexp.config.option_file import OptionFile, format_place, node_error
from mnistexp.config.yaml_parser import parse_settings, read_text
from mnistexp.errors import ConfigError


def read_option_file(path: Path, group: str) -> OptionFile:
    """Read and check a file.

    Raises:
        ConfigError: the file is no valid option. The message names file, line and what to write.
    """
    text = read_text(path)
    file = OptionFile(path, group, text, _package(text), parse_settings(path, text))
    check_option_file(file)
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
            raise node_error(
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


def _package(text: str) -> str | None:
    """Return what the comment `# @package` says. As in Hydra, only other `# @` may precede it."""
    for line in filter(None, map(str.strip, text.splitlines())):
        if not re.match(r"#\s*@", line):
            break
        if found := re.fullmatch(r"#\s*@package\s+(\S+)", line):
            return found[1]
    return None


def _merge(first: Any, second: Any) -> Any:
    """Return nested mappings merged; other values of the second replace those of the first."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    both = {key: _merge(first[key], second[key]) for key in first if key in second}
    return {**first, **second, **both}
