"""Generate the pages of the reference from the schema, the commands and the YAML files.

`conf.py` calls `write_pages` before each build, so the reference always matches the program.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from mnistexp.cli import app
from mnistexp.commands.run import OPTIONS, OPTIONS_WITH_VALUE
from mnistexp.config.config import Config
from mnistexp.config.config_groups import (
    FOLDER_OPTIONS,
    list_groups,
    option_description,
    option_file,
)

JsonSchema = dict[str, Any]
HYDRA_OPTIONS = {
    "-m, --multirun": "Run a sweep: one run for each combination of the values.",
    "-c, --cfg": "Show the settings and run nothing: `job`, `hydra` or `all`.",
    "--resolve": "With `--cfg`: replace references by their values.",
    "-p, --package": "With `--cfg`: show only this section, for example `model`.",
    "-i, --info": "Show how the settings were composed: `defaults`, `searchpath`, `plugins`, …",
    "-cd, --config-dir": "A folder with your own groups, besides `conf/` and `experiments/`.",
    "-r, --run": "Run once. This is the default.",
    "-sc, --shell-completion": "Hydra's own completion. `mnistexp completion` completes more.",
    "--hydra-help": "Show Hydra's help.",
}
"""Hydra's options of the command `mnistexp` itself. A test checks that the list is complete."""


def write_pages(folder: Path) -> None:
    """Write the pages that have changed. Sphinx rebuilds pages with a new modification time."""
    folder.mkdir(exist_ok=True)
    pages = {"settings": settings_page(), "commands": commands_page(), "choices": choices_page()}
    for name, text in pages.items():
        file = folder / f"{name}.md"
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)


def settings_page() -> str:
    """Return the page of all settings, with type, range, default and description."""
    return SETTINGS_INTRODUCTION + "\n".join(SettingsPage().lines())


SETTINGS_INTRODUCTION = """\
# Settings

You can give every setting on the command line as `PATH=VALUE`, for example `train.epochs=3`, or in
a YAML file. `mnistexp PATH=VALUE … --cfg job` shows the resulting settings. If a section has
several kinds, its `type` says which one it is. Usually [an option](choices.md) sets the `type`.

"""


class SettingsPage:
    """The settings page. It walks through the schema in order and describes each section once."""

    def __init__(self) -> None:
        self._schema = Config.model_json_schema()
        self._sections: Mapping[str, JsonSchema] = self._schema.pop("$defs")
        # The serialized schema has the defaults as they are written in YAML: `100 steps`.
        serialized = Config.model_json_schema(mode="serialization")
        self._serialized: Mapping[str, JsonSchema] = {**serialized.pop("$defs"), "": serialized}
        self._union_members = {
            name for union in _unions([self._schema, self._sections]) for name in union
        }
        self._queue: list[tuple[str, str]] = []
        self._queued: set[str] = set()

    def lines(self) -> Iterator[str]:
        """Yield the lines of the page."""
        yield from self._table("", "", self._schema)
        while self._queue:
            path, name = self._queue.pop(0)
            section = self._sections[name]
            kind = self._kind(name)
            yield f"\n({_anchor(name)})="
            yield f"## `{path}`{f' of type {kind}' if kind else ''}\n"
            yield f"{section.get('description', '').strip()}\n"
            yield from self._table(path, name, section)

    def _table(self, path: str, name: str, section: JsonSchema) -> Iterator[str]:
        subsections: list[tuple[str, str]] = []
        yield "| setting | type | default | description |"
        yield "|---|---|---|---|"
        for key, part in section["properties"].items():
            part_path = f"{path}.{key}" if path else key
            subsections += [
                (subpath, subsection)
                for subpath, subsection in self._subsections(part_path, part)
                if subsection not in self._queued
            ]
            self._queued |= {subsection for _, subsection in subsections}
            default = self._default(path, name, key)
            description = _cell(part.get("description") or self._section_description(part))
            yield f"| `{part_path}` | {_cell(self._type(part))} | {default} | {description} |"
        # Subsections follow directly after their section.
        self._queue = subsections + self._queue

    def _default(self, path: str, name: str, key: str) -> str:
        """Return the default as it is written in YAML, or a link to the options of a group."""
        full_path = f"{path}.{key}".lstrip(".")
        if full_path.replace(".", "/") in list_groups():
            return f"[set by the option](choices.md#{full_path.replace('.', '')})"
        section = self._sections[name] if name else self._schema
        if key in section.get("required", []):
            return "required"
        part = self._serialized[name]["properties"][key]
        return f"`{_yaml(part['default'])}`" if "default" in part else "–"

    def _section_description(self, part: JsonSchema) -> str:
        """Return the description of the section that a setting holds, if it is a single one."""
        members = [part, *part.get("anyOf", [])]
        names = [member["$ref"].rpartition("/")[2] for member in members if "$ref" in member]
        return str(self._sections[names[0]].get("description", "")) if len(names) == 1 else ""

    def _kind(self, name: str) -> str:
        """Return the values of `type` that identify a member of a union."""
        if name not in self._union_members:
            return ""
        kind = self._sections[name]["properties"]["type"]
        values = [kind["const"]] if "const" in kind else kind["enum"]
        return " or ".join(f"`{value}`" for value in values)

    def _type(self, part: JsonSchema) -> str:
        """Return the type and the range of a setting."""
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return f"[{self._kind(name) or 'section'}](#{_anchor(name)})"
        for union in ("oneOf", "anyOf"):
            if union in part:
                return ", ".join(self._type(member) for member in part[union])
        for mapping in ("additionalProperties", "patternProperties"):
            if isinstance(part.get(mapping), dict):
                values = part[mapping] if mapping[0] == "a" else next(iter(part[mapping].values()))
                return f"mapping by name: {self._type(values)}"
        if "prefixItems" in part:
            return f"`[`{', '.join(self._type(item) for item in part['prefixItems'])}`]`"
        if part.get("type") == "array":
            return f"list of: {self._type(part['items'])}"
        return _scalar(part)

    def _subsections(self, path: str, part: Any) -> Iterator[tuple[str, str]]:
        """Yield path and name of each section that a setting may hold."""
        if isinstance(part, list):
            for member in part:
                yield from self._subsections(path, member)
        elif isinstance(part, dict):
            if "$ref" in part:
                yield path, part["$ref"].rpartition("/")[2]
            for union in ("oneOf", "anyOf", "items", "prefixItems"):
                yield from self._subsections(path, part.get(union))
            for mapping in ("additionalProperties", "patternProperties"):
                values = part.get(mapping)
                if isinstance(values, dict):
                    bare = list(values.values()) if mapping[0] == "p" else values
                    yield from self._subsections(f"{path}.NAME", bare)


def _scalar(part: JsonSchema) -> str:
    if "const" in part or "enum" in part:
        return ", ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    names = {"integer": "integer", "number": "number", "boolean": "`true`, `false`"}
    names |= {"string": "string", "null": "`null`", "object": "mapping"}
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {part[key]:,}" for key, sign in signs.items() if key in part]
    limits += [f"matching `{part['pattern']}`"] if "pattern" in part else []
    return f"{names.get(part.get('type', ''), 'any value')} {', '.join(limits)}".strip()


def _unions(part: Any) -> Iterator[list[str]]:
    """Yield the names of the members of each union of sections."""
    if isinstance(part, list):
        for member in part:
            yield from _unions(member)
    elif isinstance(part, dict):
        for union in ("oneOf", "anyOf"):
            members = [member for member in part.get(union, []) if "$ref" in member]
            if len(members) > 1:
                yield [member["$ref"].rpartition("/")[2] for member in members]
        yield from _unions(list(part.values()))


def _anchor(name: str) -> str:
    return f"section-{name.lower()}"


def _yaml(value: Any) -> str:
    names = {None: "null", True: "true", False: "false"}
    if isinstance(value, bool) or value is None:
        return names[value]
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return "''" if value == "" else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def commands_page() -> str:
    """Return the page of all commands, with their arguments and options."""
    group: Any = typer.main.get_command(app)
    lines = [COMMANDS_INTRODUCTION, "| option | description |", "|---|---|"]
    lines += [f"| `{option}` | {text} |" for option, text in HYDRA_OPTIONS.items()]
    for name, command in group.commands.items():
        if not command.hidden:
            lines += _command(name, command)
    return "\n".join(lines) + "\n"


COMMANDS_INTRODUCTION = """\
# Commands

## `mnistexp [GROUP=OPTION …] [SETTING=VALUE …]`

Run once, with the given [options](choices.md) and [settings](settings.md); without any, with the
defaults. If a setting is given twice, the last value counts. The arguments follow Hydra's grammar.
Values with commas or brackets need quotes in the shell: `'train.evaluate_on=[validation,test]'`.

The exit code is 1 if a run fails, 2 for wrong input, 130 after Ctrl-C and 143 after SIGTERM. A line
on standard error gives the reason. `--help` lists groups and commands. `--version` prints the
version.
"""


def _command(name: str, command: Any) -> list[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = command.get_usage(context).removeprefix("Usage: ")
    paragraphs = (command.help or "").split("\n\n")
    help_text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    rows = [parameter.get_help_record(context) for parameter in command.params]
    lines = [f"\n## `mnistexp {name}`\n", f"`mnistexp {usage}`\n", f"{help_text}\n"]
    visible = [row for row in rows if row is not None]
    if visible:
        lines += ["| argument or option | description |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_escape(text)} |" for option, text in visible]
    return lines


def _escape(text: str) -> str:
    """Escape what Markdown would read as a link or a tag."""
    return _cell(re.sub(r"([\[\]<>*_])", r"\\\1", text))


def known_options() -> set[str]:
    """Return the Hydra options that the command line accepts."""
    return {*OPTIONS, *OPTIONS_WITH_VALUE, *FOLDER_OPTIONS}


def choices_page() -> str:
    """Return the page of all options of all groups, with the comment at the top of each file."""
    lines = [CHOICES_INTRODUCTION]
    for group, options in list_groups().items():
        if group == "user":
            continue
        lines += [f"\n## `{group}`\n", "| option | description |", "|---|---|"]
        descriptions = [_cell(option_description(group, option)) for option in options]
        rows = zip(options, descriptions, strict=True)
        lines += [f"| `{group}={option}` | {description} |" for option, description in rows]
        if group.startswith("hydra/"):  # The schema does not contain Hydra's settings.
            lines += [f"\n```yaml\n# {o}\n{_option_text(group, o)}\n```" for o in options]
    return "\n".join(lines) + "\n"


CHOICES_INTRODUCTION = """\
# Groups and their options

A group is a folder of YAML files. Each file is an option, chosen with `mnistexp GROUP=OPTION …`. An
experiment (groups `lab`, `notebook`, `tutorial`, `practical`, `failure_modes`,
`fashion_mnist`) contains only what
differs from the default."""


def _option_text(group: str, option: str) -> str:
    file = option_file(group, option)
    assert file is not None, f"{group}={option} has no file"
    return file.read_text().strip()
