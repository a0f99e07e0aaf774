"""The pages of the reference, written from the schema, the commands and the configs themselves.

`conf.py` calls `write_pages` before each build, so the reference cannot differ from the program.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from mnistexp.cli import app
from mnistexp.commands.run import OPTIONS, OPTIONS_WITH_VALUE
from mnistexp.config.config import Config
from mnistexp.config.config_groups import list_groups, option_file

JsonSchema = dict[str, Any]
HYDRA_OPTIONS = {
    "-m, --multirun": "A sweep: a run for each combination of the values.",
    "-c, --cfg": "ViewerSession the settings and run nothing: `job`, `hydra` or `all`.",
    "--resolve": "Beside `--cfg`: with the references filled in.",
    "-p, --package": "Beside `--cfg`: only this part, `model` for example.",
    "-i, --info": "How the settings were composed: `defaults`, `searchpath`, `plugins`, …",
    "-cd, --config-dir": "A folder of your own groups.",
    "-cn, --config-name": "Another primary config than `config`.",
    "-cp, --config-path": "Another folder of configs, in the place of ours.",
    "-r, --run": "One run; so it is without it.",
    "-sc, --shell-completion": "Hydra's own completion; `mnistexp completion` does more.",
    "--hydra-help": "Hydra's help.",
}
"""Of the run itself. A test sees to it that none is left out."""


def write_pages(folder: Path) -> None:
    """Write the pages; one that would not change is left alone, so that builds stay quick."""
    folder.mkdir(exist_ok=True)
    pages = {"settings": settings_page(), "commands": commands_page(), "choices": choices_page()}
    for name, text in pages.items():
        file = folder / f"{name}.md"
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)


# Settings


def settings_page() -> str:
    """Every setting: type, range, default, meaning."""
    return SETTINGS_INTRODUCTION + "\n".join(Settings().page())


SETTINGS_INTRODUCTION = """\
# Settings

Every setting can be given on the command line as `PATH=VALUE`, `train.epochs=3`, or stand in a
file. `mnistexp PATH=VALUE … --cfg job` shows what all of them come to. A section that is one of
several kinds says which one by its `type`; usually [an option](choices.md) is chosen that sets it.

"""


class Settings:
    """A walk through the schema, in its order; each kind of section is described once."""

    def __init__(self) -> None:
        whole = Config.model_json_schema()
        self._sections: Mapping[str, JsonSchema] = whole.pop("$defs")
        self._whole = whole
        # Defaults as they are written in a file, `100 steps`.
        written = Config.model_json_schema(mode="serialization")
        self._written: Mapping[str, JsonSchema] = {**written.pop("$defs"), "": written}
        self._several = {name for union in _unions([whole, self._sections]) for name in union}
        self._waiting: list[tuple[str, str]] = []
        self._met: set[str] = set()

    def page(self) -> Iterator[str]:
        """The lines of the page."""
        yield from self._table("", "", self._whole)
        while self._waiting:
            path, name = self._waiting.pop(0)
            section = self._sections[name]
            kind = self._kind(name)
            yield f"\n({_anchor(name)})="
            yield f"## `{path}`{f' of type {kind}' if kind else ''}\n"
            yield f"{section.get('description', '').strip()}\n"
            yield from self._table(path, name, section)

    def _table(self, path: str, name: str, section: JsonSchema) -> Iterator[str]:
        inner: list[tuple[str, str]] = []
        yield "| setting | takes | default | meaning |"
        yield "|---|---|---|---|"
        for key, part in section["properties"].items():
            here = f"{path}.{key}" if path else key
            inner += [(p, found) for p, found in self._inner(here, part) if found not in self._met]
            self._met |= {found for _, found in inner}
            default = self._default(path, name, key)
            meaning = _cell(part.get("description") or self._description(part))
            yield f"| `{here}` | {_cell(self._takes(part))} | {default} | {meaning} |"
        # What is within comes directly behind.
        self._waiting = inner + self._waiting

    def _default(self, path: str, name: str, key: str) -> str:
        """As it is written; a section that is filled in by itself has none to show."""
        here = f"{path}.{key}".lstrip(".")
        if here.replace(".", "/") in list_groups():
            return f"[the option's](choices.md#{here.replace('.', '')})"
        section = self._sections[name] if name else self._whole
        if key in section.get("required", []):
            return "must be given"
        part = self._written[name]["properties"][key]
        return f"`{_yaml(part['default'])}`" if "default" in part else "–"

    def _description(self, part: JsonSchema) -> str:
        """That of the section, where a setting is one and has none of its own."""
        members = [part, *part.get("anyOf", [])]
        names = [member["$ref"].rpartition("/")[2] for member in members if "$ref" in member]
        return str(self._sections[names[0]].get("description", "")) if len(names) == 1 else ""

    def _kind(self, name: str) -> str:
        """The values of `type` by which one of several kinds of sections is known."""
        if name not in self._several:
            return ""
        kind = self._sections[name]["properties"]["type"]
        values = [kind["const"]] if "const" in kind else kind["enum"]
        return " or ".join(f"`{value}`" for value in values)

    def _takes(self, part: JsonSchema) -> str:
        """The type and the range in words."""
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return f"[{self._kind(name) or 'section'}](#{_anchor(name)})"
        for union in ("oneOf", "anyOf"):
            if union in part:
                return ", ".join(self._takes(member) for member in part[union])
        for mapping in ("additionalProperties", "patternProperties"):
            if isinstance(part.get(mapping), dict):
                values = part[mapping] if mapping[0] == "a" else next(iter(part[mapping].values()))
                return f"by name: {self._takes(values)}"
        if "prefixItems" in part:
            return f"`[`{', '.join(self._takes(item) for item in part['prefixItems'])}`]`"
        if part.get("type") == "array":
            return f"list of: {self._takes(part['items'])}"
        return _scalar(part)

    def _inner(self, path: str, part: Any) -> Iterator[tuple[str, str]]:
        """The sections that a setting may hold, with their paths."""
        if isinstance(part, list):
            for member in part:
                yield from self._inner(path, member)
        elif isinstance(part, dict):
            if "$ref" in part:
                yield path, part["$ref"].rpartition("/")[2]
            for union in ("oneOf", "anyOf", "items", "prefixItems"):
                yield from self._inner(path, part.get(union))
            for mapping in ("additionalProperties", "patternProperties"):
                values = part.get(mapping)
                if isinstance(values, dict):
                    bare = list(values.values()) if mapping[0] == "p" else values
                    yield from self._inner(f"{path}.NAME", bare)


def _scalar(part: JsonSchema) -> str:
    if "const" in part or "enum" in part:
        return ", ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    words |= {"string": "text", "null": "`null`", "object": "mapping"}
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {part[key]:,}" for key, sign in signs.items() if key in part]
    limits += [f"of the form `{part['pattern']}`"] if "pattern" in part else []
    return f"{words.get(part.get('type', ''), 'anything')} {', '.join(limits)}".strip()


def _unions(part: Any) -> Iterator[list[str]]:
    """The names of the sections of which one is taken, for each place where that is so."""
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


# Commands


def commands_page() -> str:
    """Every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    lines = [COMMANDS_INTRODUCTION, "| option | meaning |", "|---|---|"]
    lines += [f"| `{option}` | {meaning} |" for option, meaning in HYDRA_OPTIONS.items()]
    for name, command in group.commands.items():
        if not command.hidden:
            lines += _command(name, command)
    return "\n".join(lines) + "\n"


COMMANDS_INTRODUCTION = """\
# Commands

## `mnistexp [GROUP=OPTION …] [SETTING=VALUE …]`

One run of what [the options](choices.md) and [the settings](settings.md) say. Without any, the
default. The last of two that contradict each other counts. What is read is Hydra's grammar: values
with commas or brackets need quotes of the shell, `'train.evaluate_on=[validation,test]'`.

A run that fails ends with exit code 1, wrong input with 2, Ctrl-C with 130, SIGTERM with 143, each
with a line on the standard error that says why. `--help` lists groups and commands, `--version`
prints the version.
"""


def _command(name: str, command: Any) -> list[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = command.get_usage(context).removeprefix("Usage: ")
    paragraphs = (command.help or "").split("\n\n")
    help_text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    rows = [parameter.get_help_record(context) for parameter in command.params]
    lines = [f"\n## `mnistexp {name}`\n", f"`mnistexp {usage}`\n", f"{help_text}\n"]
    shown = [row for row in rows if row is not None]
    if shown:
        lines += ["| argument or option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_literal(meaning)} |" for option, meaning in shown]
    return lines


def _literal(text: str) -> str:
    """What Markdown would take for a link or a tag stays as it is."""
    return _cell(re.sub(r"([\[\]<>*_])", r"\\\1", text))


def known_options() -> set[str]:
    """Hydra's options that the command line takes."""
    return {*OPTIONS, *OPTIONS_WITH_VALUE}


# Groups


def choices_page() -> str:
    """Every option of every group, by the first line of its file."""
    lines = [CHOICES_INTRODUCTION]
    for group, options in list_groups().items():
        if group == "user":
            continue
        lines += [f"\n## `{group}`\n", "| option | what it is |", "|---|---|"]
        lines += [f"| `{group}={option}` | {_first_line(group, option)} |" for option in options]
        if group.startswith("hydra/"):  # Hydra's settings are in no schema of ours.
            lines += [f"\n```yaml\n# {o}\n{_text(group, o).strip()}\n```" for o in options]
    return "\n".join(lines) + "\n"


CHOICES_INTRODUCTION = """\
# Groups and their options

A group is a folder of YAML files, an option one of the files. `mnistexp GROUP=OPTION …` chooses.
The groups of experiments each override what differs from the default."""


def _first_line(group: str, option: str) -> str:
    comments = [line[1:].strip() for line in _text(group, option).splitlines() if line[:1] == "#"]
    said = [line for line in comments if not line.startswith("@package")]
    return _cell(said[0]) if said else ""


def _text(group: str, option: str) -> str:
    file = option_file(group, option)
    assert file is not None, f"{group}={option} has no file"
    return file.read_text()
