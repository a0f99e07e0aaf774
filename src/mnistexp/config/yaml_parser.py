"""Parse the YAML text of an option; an error names file, line and what to write."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from mnistexp.config.option_file import describe_kind, format_place, line_of
from mnistexp.errors import ConfigError

MAX_DEPTH = 50
"""Levels of nesting."""
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


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ConfigError: it is not in UTF-8.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")  # Editors on Windows write a byte order mark.
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{format_place(path, line)}: expected text in UTF-8. Received: the byte "
            f"{content[error.start]:#x}"
        ) from error


def parse_settings(path: Path, text: str) -> yaml.MappingNode:
    """Return the settings of a text as PyYAML's nodes.

    Raises:
        ConfigError: the text is no YAML, or no mapping.
    """
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
    received = "nothing" if root is None else describe_kind(root)
    line = 1 if root is None else line_of(root)
    written = text.splitlines()[line - 1].strip() if text else ""
    if lacks_space(written):
        raise ConfigError(f"{format_place(path, line)}: {EXPECTED_SPACE}. Received: {written}")
    raise ConfigError(
        f"{format_place(path, line)}: expected settings of the form NAME: VALUE. "
        f"Received: {received}. mnistexp new writes a file to start from"
    )


def lacks_space(text: str) -> bool:
    """Return whether a text is NAME:VALUE, which YAML does not read as a setting."""
    return MISSING_SPACE.fullmatch(text) is not None


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
        if lacks_space(written):
            return number
        if number < line and written and not written.startswith("#"):
            return None
    return None
