"""JSON schemas of the YAML files, with which an editor completes and checks them.

They differ from the schema of the whole config in the same way as the files do: no setting is
required, since Hydra merges several files; each value may be an interpolation; and a file has a
defaults list. They use draft 7, which most editors support.
"""

from collections.abc import Mapping, Sequence

from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.config.schema_tree import JsonSchema, SchemaTree, definition_name, section_types

DIALECT = "http://json-schema.org/draft-07/schema#"
EXPERIMENT = "experiment"
"""The schema of the files of all experiment groups."""
OPTIMIZER_OF_MODEL = "override /optim@_global_.optim"
"""The entry of a model's defaults list that names the optimizer which suits the model."""
INTERPOLATION = {
    "type": "string",
    "pattern": r"\$\{.+\}",
    "description": "The value of another setting: ${model.activation}",
}
ANNOTATIONS = ("description", "default", "title")


def file_schemas() -> dict[str, JsonSchema]:
    """Return the schema of each kind of file: `model`, `optim/decay`, …, and `experiment`."""
    groups = list_groups()
    tree = SchemaTree(Config)
    builder = PartialSchemaBuilder(tree)
    parts = {name: part for name, part in tree.root["properties"].items() if name in groups}
    # All optimizers have the same decays.
    parts["optim/decay"] = tree.resolve(tree.members(parts["optim"])[0])["properties"]["decay"]
    parts[EXPERIMENT] = tree.root
    sections = {name: builder.merge(tree.members(part)) for name, part in parts.items()}
    return {
        name: {
            "$schema": DIALECT,
            **section,
            "title": f"mnistexp: {name}",
            "properties": {
                "defaults": _defaults_list(_choices_of_file(name, groups)),
                **section["properties"],
            },
            "$defs": builder.definitions,
        }
        for name, section in sections.items()
    }


class PartialSchemaBuilder:
    """Builds schemas that accept a part of a section, with interpolations.

    Attributes:
        definitions: the schemas that `$ref` refers to, by name. `merge` adds to them.
    """

    def __init__(self, tree: SchemaTree) -> None:
        self._tree = tree
        self.definitions: dict[str, JsonSchema] = {"interpolation": INTERPOLATION}

    def merge(self, sections: Sequence[JsonSchema]) -> JsonSchema:
        """Merge the sections of a union into one section.

        The setting `type`, which selects the section, may be in another file. If it is in this
        one, only the settings of that type are allowed.
        """
        resolved = [self._tree.resolve(section) for section in sections]
        properties: dict[str, JsonSchema] = {}
        for section in resolved:
            for name, schema in section["properties"].items():
                setting = self._setting(schema)
                known = properties.get(name)
                properties[name] = _merge_setting(known, setting) if known else setting
        merged = {"type": "object", "properties": properties, "additionalProperties": False}
        if len(resolved) == 1:
            return {**_annotations(resolved[0]), **merged}
        return {**merged, "allOf": [_only_settings_of_type(section) for section in resolved]}

    def _setting(self, schema: JsonSchema) -> JsonSchema:
        """Return a schema that accepts a setting or an interpolation.

        Annotations are outside of `anyOf`, where editors look for them.
        """
        members = self._tree.members(schema)
        sections = [member for member in members if "properties" in self._tree.resolve(member)]
        others = [self._plain_value(member) for member in members if member not in sections]
        references = [self._reference(sections)] if sections else []
        interpolation = {"$ref": "#/$defs/interpolation"}
        return {**_annotations(schema), "anyOf": [*others, *references, interpolation]}

    def _reference(self, sections: Sequence[JsonSchema]) -> JsonSchema:
        name = "-or-".join(definition_name(section["$ref"]) for section in sections)
        if name not in self.definitions:
            self.definitions[name] = {}  # The layers of a residual block are layers again.
            self.definitions[name] = self.merge(sections)
        return {"$ref": f"#/$defs/{name}"}

    def _plain_value(self, schema: JsonSchema) -> JsonSchema:
        """Return the schema of a setting that is no section: a number, text, list or mapping."""
        dropped = ("prefixItems", *ANNOTATIONS)
        value = {key: part for key, part in schema.items() if key not in dropped}
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                value[key] = self._setting(schema[key])
        if "prefixItems" in schema:  # Draft 7 has no prefixItems, but a list of items.
            value["items"] = [self._setting(item) for item in schema["prefixItems"]]
        if "patternProperties" in schema:
            patterns = schema["patternProperties"].items()
            value["patternProperties"] = {name: self._setting(part) for name, part in patterns}
            value["additionalProperties"] = False  # pydantic refuses other keys too.
        return value


def _annotations(schema: JsonSchema) -> JsonSchema:
    return {key: schema[key] for key in ANNOTATIONS if key in schema}


def _merge_setting(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    """Return a schema that accepts either, with the annotations that both have in common."""
    common = {k: v for k, v in _annotations(first).items() if v == second.get(k)}
    more = [member for member in second["anyOf"] if member not in first["anyOf"]]
    return {**common, "anyOf": [*first["anyOf"], *more]}


def _only_settings_of_type(section: JsonSchema) -> JsonSchema:
    is_type = {"properties": {"type": {"enum": section_types(section)}}, "required": ["type"]}
    return {
        "if": is_type,
        "then": {"propertyNames": {"enum": ["defaults", *section["properties"]]}},
    }


def _choices_of_file(name: str, groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the keys that the defaults list of a file may have, each with its options."""
    if name == EXPERIMENT:
        return {
            f"override /{group}": options
            for group, options in groups.items()
            if group not in EXPERIMENT_GROUPS
        }
    nested = {group: options for group, options in groups.items() if group.startswith(f"{name}/")}
    choices = {group.removeprefix(f"{name}/"): options for group, options in nested.items()}
    if name == "model":
        choices[OPTIMIZER_OF_MODEL] = groups["optim"]
    return choices


def _defaults_list(choices: Mapping[str, Sequence[str]]) -> JsonSchema:
    options = {key: {"enum": [*names, None]} for key, names in choices.items()}
    return {
        "description": "The options that this file builds on. _self_ marks the position of its "
        "own settings: later entries override earlier ones.",
        "type": "array",
        "items": {
            "anyOf": [
                {"type": "string", "description": "_self_, or another option of the same group."},
                {"type": "object", "properties": options, "additionalProperties": False},
            ]
        },
    }
