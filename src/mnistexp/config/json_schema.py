"""JSON schemas of the YAML files, which each say only a part of the config.

An editor completes and checks a file by them while it is written. Beside the schema of the whole
config they allow what Hydra makes of a file: nothing is required, since files are merged; any
value may be an interpolation; and there is a defaults list. They are of draft 7, which editors
know best.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups

JsonSchema = dict[str, Any]
DIALECT = "http://json-schema.org/draft-07/schema#"
EXPERIMENT = "experiment"
"""The schema of the files of all groups of experiments."""
INTERPOLATION = {
    "type": "string",
    "pattern": r"\$\{.+\}",
    "description": "A value from elsewhere: ${model.activation}",
}
DESCRIBES = ("description", "default", "title")


@dataclass(frozen=True)
class Source:
    """What the schemas are made of.

    sections: the definitions of the whole config's schema. unions: those of the loose schemas that
    are made of several sections, by name; they are added as they are met.
    """

    sections: Mapping[str, JsonSchema]
    unions: dict[str, JsonSchema] = field(default_factory=dict)

    def resolved(self, schema: JsonSchema) -> JsonSchema:
        """The section that a schema refers to, or itself."""
        reference = schema.get("$ref")
        return self.sections[_name(reference)] if reference else schema


def file_schemas(*more: Path) -> dict[str, JsonSchema]:
    """The schema of each kind of file: `model`, `optim/decay`, …, and `experiment`.

    Args:
        more: further folders of groups, whose options may be chosen too.
    """
    groups = list_groups(*more)
    whole = Config.model_json_schema()
    source = Source(whole.pop("$defs"))
    places = {name: part for name, part in whole["properties"].items() if name in groups}
    # Nested in every optimizer, and the same in all.
    optimizer = source.resolved(_members(places["optim"], source)[0])
    places |= {"optim/decay": optimizer["properties"]["decay"], EXPERIMENT: whole}
    loose = {name: _loose(part, source) for name, part in places.items()}
    definitions = {name: _loose(part, source) for name, part in source.sections.items()}
    definitions |= {**source.unions, "interpolation": INTERPOLATION}
    return {
        name: _as_file(name, schema, definitions, _choosable(name, groups))
        for name, schema in loose.items()
    }


def _as_file(
    name: str,
    schema: JsonSchema,
    definitions: Mapping[str, JsonSchema],
    choosable: Mapping[str, Sequence[str]],
) -> JsonSchema:
    """A whole file: the section's settings, and a defaults list."""
    (member,) = [m for m in _flat(schema) if "$ref" in m or "properties" in m]
    section = definitions[_name(member["$ref"])] if "$ref" in member else member
    return {
        "$schema": DIALECT,
        **section,
        "title": f"mnistexp: {name}",
        "properties": {"defaults": _defaults_list(choosable), **section["properties"]},
        "$defs": dict(definitions),
    }


def _choosable(name: str, groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The groups that a file's defaults list may choose from, as they are called there."""
    if name != EXPERIMENT:
        inner = {group.removeprefix(f"{name}/"): o for group, o in groups.items()}
        return {group: inner[group] for group in inner if f"{name}/{group}" in groups}
    ours = {group: options for group, options in groups.items() if group not in EXPERIMENT_GROUPS}
    return {f"override /{group}": options for group, options in ours.items()}


def _defaults_list(choosable: Mapping[str, Sequence[str]]) -> JsonSchema:
    choices = {group: {"enum": [*options, None]} for group, options in choosable.items()}
    return {
        "description": "What this file stands on. _self_ says where its own settings come in.",
        "type": "array",
        "items": {
            "anyOf": [
                {"type": "string", "description": "_self_, or a file of the same group."},
                {"type": "object", "properties": choices, "additionalProperties": False},
            ]
        },
    }


def _loose(schema: JsonSchema, source: Source) -> JsonSchema:
    """A schema as a file may fulfil it: nothing required, any value an interpolation."""
    if "oneOf" in schema or "anyOf" in schema:
        described = {key: schema[key] for key in DESCRIBES if key in schema}
        return {**described, **_union(_members(schema, source), source)}

    def inner(part: JsonSchema) -> JsonSchema:
        return _or_interpolated(_loose(part, source))

    loose = {k: v for k, v in schema.items() if k not in ("required", "prefixItems")}
    for key in ("properties", "patternProperties"):
        if key in schema:
            loose[key] = {name: inner(part) for name, part in schema[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            loose[key] = inner(schema[key])
    if "prefixItems" in schema:  # As it is called after draft 7.
        loose["items"] = [inner(part) for part in schema["prefixItems"]]
    if "patternProperties" in schema:
        loose["additionalProperties"] = False  # pydantic refuses other keys as well.
    return loose


def _or_interpolated(schema: JsonSchema) -> JsonSchema:
    """What describes the value stays outside, where editors look for it."""
    described = {key: schema[key] for key in DESCRIBES if key in schema}
    bare = [{k: v for k, v in member.items() if k not in described} for member in _flat(schema)]
    return {**described, "anyOf": [*bare, {"$ref": "#/$defs/interpolation"}]}


def _union(members: Sequence[JsonSchema], source: Source) -> JsonSchema:
    """One of several. Sections become one, as the `type` that tells them apart may be elsewhere."""
    sections = [member for member in members if "properties" in source.resolved(member)]
    others = [_loose(member, source) for member in members if member not in sections]
    if len(sections) < 2:
        return {"anyOf": [*others, *sections]}
    name = "-or-".join(_name(section["$ref"]) for section in sections)
    if name not in source.unions:
        source.unions[name] = _merged(sections, source)
    return {"anyOf": [*others, {"$ref": f"#/$defs/{name}"}]}


def _merged(sections: Sequence[JsonSchema], source: Source) -> JsonSchema:
    """A section with the settings of all; where there is a `type`, with those of that one only."""
    resolved = [source.resolved(section) for section in sections]
    properties: dict[str, JsonSchema] = {}
    for section in resolved:
        for name, part in section["properties"].items():
            found = _or_interpolated(_loose(part, source))
            properties[name] = _either(properties[name], found) if name in properties else found
    by_type = [
        {
            "if": {"properties": {"type": {"enum": _types(section)}}, "required": ["type"]},
            "then": {"propertyNames": {"enum": ["defaults", *section["properties"]]}},
        }
        for section in resolved
    ]
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": by_type,
    }


def _either(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    """A setting that several sections have; described as in the first, unless they differ."""
    described = {k: first[k] for k in DESCRIBES if k in first and first[k] == second.get(k)}
    members = _unique([*first["anyOf"], *second["anyOf"]])
    return {**described, "anyOf": members}


def _types(section: JsonSchema) -> list[str]:
    """The values of `type` by which a section of a union is known."""
    kind = section["properties"]["type"]
    return [kind["const"]] if "const" in kind else list(kind["enum"])


def _members(schema: JsonSchema, source: Source) -> list[JsonSchema]:
    """The members of a union, and of the unions within."""
    if "$ref" in schema:
        inner = source.resolved(schema)
        return _members(inner, source) if "oneOf" in inner or "anyOf" in inner else [schema]
    parts = schema.get("oneOf") or schema.get("anyOf")
    if parts is None:
        return [schema]
    return _unique(member for part in parts for member in _members(part, source))


def _name(reference: str) -> str:
    """Of the definition that `#/$defs/NAME` refers to."""
    return reference.rpartition("/")[2]


def _flat(schema: JsonSchema) -> list[JsonSchema]:
    """The members of a union that is loose already."""
    return schema["anyOf"] if set(schema) <= {"anyOf", *DESCRIBES} else [schema]


def _unique(schemas: Iterable[JsonSchema]) -> list[JsonSchema]:
    found: list[JsonSchema] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found
