"""Look up settings in the JSON schema of a pydantic model, by the paths that a user types."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

JsonSchema = dict[str, Any]


class SchemaTree:
    """The JSON schema of a model. Sections are nested objects, settings their properties.

    Attributes:
        root: the schema of the whole model.
        definitions: the schemas that `$ref` refers to, by name.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.root: JsonSchema = model.model_json_schema()
        self.definitions: dict[str, JsonSchema] = self.root.pop("$defs", {})

    def resolve(self, schema: JsonSchema) -> JsonSchema:
        """Return the definition that a schema refers to, or the schema itself."""
        reference = schema.get("$ref")
        return self.definitions[definition_name(reference)] if reference else schema

    def members(self, schema: JsonSchema) -> list[JsonSchema]:
        """Return the members of a union, also of nested ones; references remain references."""
        resolved = self.resolve(schema)
        parts = resolved.get("oneOf") or resolved.get("anyOf")
        if parts is None:
            return [schema]
        members = [member for part in parts for member in self.members(part)]
        return [member for index, member in enumerate(members) if member not in members[:index]]

    def alternatives(self, path: Sequence[str], config: Any) -> list[JsonSchema]:
        """Return the schemas that the value of a setting may match.

        Args:
            path: the names from the root to the setting, `["model", "layers", "conv1"]`.
            config: the raw config. Its settings named `type` select among sections; where it has
                no valid `type`, the sections of all types are returned.
        """
        schemas, value = self._alternatives(self.root, config), config
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
            children = [child for schema in schemas if (child := _child(schema, name)) is not None]
            schemas = [found for child in children for found in self._alternatives(child, value)]
        return schemas

    def children(self, path: Sequence[str], config: Any) -> list[str]:
        """Return the names below a path: the settings of a section, or the keys of a mapping."""
        names: dict[str, None] = {}
        for schema in self.alternatives(path, config):
            if "properties" in schema:
                names |= dict.fromkeys(schema["properties"])
            elif is_object(schema):
                value: Any = config
                for name in path:
                    value = value.get(name) if isinstance(value, Mapping) else None
                names |= {str(key): None for key in value} if isinstance(value, Mapping) else {}
        return list(names)

    def values(self, path: Sequence[str], config: Any) -> list[str]:
        """Return the names that a setting can be set to; none if it accepts numbers or any text."""
        values: dict[str, None] = {}
        for schema in self.alternatives(path, config):
            values |= dict.fromkeys(_fixed_values(schema))
        return list(values)

    def types(self, path: Sequence[str], config: Any) -> list[str]:
        """Return the possible values of the setting `type` of a section."""
        schemas = self.alternatives(path, config)
        return [name for schema in schemas for name in section_types(schema)]

    def types_with(self, path: Sequence[str], config: Any) -> list[str]:
        """Return the types of a section that have a setting, whichever type is chosen.

        Args:
            path: of the setting, `["optim", "momentum"]`.
        """
        if len(path) < 2:  # The root is no section with a type.
            return []
        *parents, section, name = path
        schemas = self.alternatives(parents, config)
        children = [child for schema in schemas if (child := _child(schema, section)) is not None]
        members = [member for child in children for member in self._alternatives(child, None)]
        having = [member for member in members if name in member.get("properties", {})]
        return [name for member in having for name in section_types(member)]

    def setting_paths(self, schema: JsonSchema | None = None, prefix: str = "") -> Iterator[str]:
        """Yield the paths of all settings, of all types of sections; not the keys of mappings."""
        for member in self.members(schema or self.root):
            for name, child in self.resolve(member).get("properties", {}).items():
                yield f"{prefix}{name}"
                yield from self.setting_paths(child, f"{prefix}{name}.")

    def chosen_setting_paths(self, config: Any) -> Iterator[str]:
        """Yield the paths of the settings of the types of sections that a config has chosen."""
        for path in dict.fromkeys(self.setting_paths()):
            section, _, name = path.rpartition(".")
            if name in self.children(section.split(".") if section else [], config):
                yield path

    def _alternatives(self, schema: JsonSchema, value: Any) -> list[JsonSchema]:
        members = [self.resolve(member) for member in self.members(schema)]
        of_type = [member for member in members if _has_type_of(member, value)]
        if not of_type:
            return members
        no_sections = [member for member in members if "properties" not in member]
        return [*of_type, *no_sections]


def definition_name(reference: str) -> str:
    """Return NAME of `#/$defs/NAME`."""
    return reference.rpartition("/")[2]


def is_object(schema: JsonSchema) -> bool:
    """Whether the value is a section or a mapping."""
    return bool(schema.get("type") == "object")


def section_types(schema: JsonSchema) -> list[str]:
    """Return the values of `type` that identify a section of a union; none if it has no `type`."""
    return _fixed_values(schema.get("properties", {}).get("type", {}))


def _has_type_of(schema: JsonSchema, value: Any) -> bool:
    if not isinstance(value, Mapping) or not section_types(schema):
        return False
    return value.get("type", schema["properties"]["type"].get("default")) in section_types(schema)


def _fixed_values(schema: JsonSchema) -> list[str]:
    if schema.get("type") in ("boolean", "null") and "const" not in schema:
        return {"boolean": ["true", "false"], "null": ["null"]}[schema["type"]]
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _child(schema: JsonSchema, name: str) -> JsonSchema | None:
    """The schema of a setting of a section, of a value of a mapping, or of an item of a list."""
    if name in schema.get("properties", {}):
        child = schema["properties"][name]
    elif "patternProperties" in schema:
        (child,) = schema["patternProperties"].values()
    else:
        child = schema.get("additionalProperties") or schema.get("items")
    return child if isinstance(child, dict) else None
