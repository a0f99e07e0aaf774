"""Format pydantic's validation errors: path, expected, received, and similar names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from operator import getitem
from typing import Any

from pydantic import BaseModel, ValidationError

from mnistexp.config.config_groups import list_groups
from mnistexp.config.schema_tree import SchemaTree
from mnistexp.errors import did_you_mean, join_with_or

EXPECTED = {
    "greater_than": "a number > {gt:g}",
    "greater_than_equal": "a number >= {ge:g}",
    "less_than": "a number < {lt:g}",
    "less_than_equal": "a number <= {le:g}",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "union_tag_not_found": "a mapping with a type",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_long": "at most {max_length} characters",
    "missing": "a value",
}
"""What a setting accepts, by pydantic's error type; {…} are values of the error's context."""
MAX_VALUE_LENGTH = 80
QUOTES = "'\""
KERAS_HINT = "Any other one of Keras is type: keras with class_name: NAME"
LAYERS_EXAMPLE = "layers: {flatten: {type: flatten}, logits: {type: dense, units: 10}}"


def format_validation_error(error: ValidationError, raw: Any, model: type[BaseModel]) -> str:
    """Return one line for each wrong setting; nothing about values that are not resolved yet.

    Args:
        error: raised by `model.model_validate(raw)`.
        raw: the config as nested dicts and lists. It may contain `${NAME}`.
        model: the pydantic model of the whole config.
    """
    tree = SchemaTree(model)
    lines: dict[tuple[str, str], str] = {}
    for details in error.errors():
        if isinstance(details["input"], str) and "${" in details["input"]:
            continue
        path = setting_path(details["loc"], raw)
        if details["type"] == "union_tag_invalid":
            path.append("type")  # pydantic reports the section that contains the wrong type.
        message = _format_details(details, path, raw, tree)
        # Several layers may refer to one wrong value of the model: report it once, where it is set.
        place = path[0] if path[:1] == ["model"] else ".".join(path)
        lines.setdefault((place, message), f"{'.'.join(path)}: {message}")
    misspelled = [line for line in lines.values() if "Did you mean" in line]
    return "\n".join(
        line
        for line in lines.values()
        # A required setting is there, under a misspelled name.
        if not (line.endswith("Received: nothing") and any(_path(line) in m for m in misspelled))
    )


def _path(line: str) -> str:
    return line.partition(":")[0]


def setting_path(location: Sequence[int | str], raw: Any) -> list[str]:
    """Return the path that a user types, without the union tags that pydantic puts in between."""
    path: list[str] = []
    current = raw
    for position, part in enumerate(location):
        in_mapping = isinstance(current, dict) and part in current
        in_list = isinstance(current, list) and isinstance(part, int) and part < len(current)
        if in_mapping or in_list:
            current = current[part]
        elif not isinstance(current, dict) or position < len(location) - 1:
            continue  # A union tag. Only the last part can be a setting that is missing in `raw`.
        path.append(str(part))
    return path


def _format_details(
    details: Mapping[str, Any], path: Sequence[str], raw: Any, tree: SchemaTree
) -> str:
    kind, received = details["type"], details["input"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        return _format_unknown_setting(path, raw, tree)
    if kind == "literal_error":
        names = [value for value in tree.values(path, raw) if value != "null"]
        return _format_unknown_name(str(received), names)
    if kind == "union_tag_invalid":
        types = tree.types(path[:-1], raw)
        message = _format_unknown_name(str(context["tag"]), types)
        is_similar = message.endswith("?") or "keras" not in types
        return message if is_similar else f"{message} {KERAS_HINT}"
    if kind in EXPECTED:
        message = f"expected {EXPECTED[kind].format(**context)}"
    elif kind == "value_error":
        message = str(context["error"])
    else:
        message = details["msg"].replace("Input should be", "expected")
    if kind == "missing":
        return f"{message}. Received: nothing"
    group = "/".join(path)
    hint = ""
    if group in list_groups():
        hint = f". Choose an option with {group}=NAME, in a file by - override /{group}: NAME"
    elif group == "model/layers" and isinstance(received, list):
        hint = f". Give each layer a name: {LAYERS_EXAMPLE}"
    elif kind in ("list_type", "tuple_type") and isinstance(received, str | int | float):
        items = _format_value(received).strip(QUOTES) if kind == "list_type" else "A, B"
        hint = f". Write [{items}]"
    elif kind == "union_tag_not_found" and path[-2:-1] in (["layers"], ["shortcut"]):
        message, hint = _describe_missing_layer(path, raw)
    return f"{message}. Received: {_format_value(received)}{hint}"


def _describe_missing_layer(path: Sequence[str], raw: Any) -> tuple[str, str]:
    """Return a message and a hint about a layer without a type.

    It is a new layer, or a setting of a layer that the model or the block does not have.
    """
    *place, name = path
    layers: Mapping[str, Any] = reduce(getitem, place, raw)
    owner = "the model" if len(place) == 2 else place[-2]
    known = [
        other for other, layer in layers.items() if isinstance(layer, Mapping) and "type" in layer
    ]
    left_out = [other for other, layer in layers.items() if layer is None]
    message = (
        f"{owner} has no layer {name}, only {', '.join(known) or 'layers without a type'}. "
        "A new layer needs a type"
    )
    return message, f".{did_you_mean(name, [*known, *left_out])}".removesuffix(".")


def _format_unknown_name(received: str, names: Sequence[str]) -> str:
    hint = did_you_mean(received, names)
    return f"expected one of {', '.join(names)}. Received: {received!r}.{hint}"


def _format_unknown_setting(path: Sequence[str], raw: Any, tree: SchemaTree) -> str:
    *section, name = path
    types = tree.types_with(path, raw)
    if types:
        chosen = reduce(getitem, section, raw).get("type")
        of_chosen = f" of type {chosen}" if chosen else ""
        return f"unknown setting{of_chosen}, only of type {join_with_or(types)}"
    siblings = [sibling for sibling in tree.children(section, raw) if sibling != name]
    similar = get_close_matches(name, siblings) or [x for x in siblings if _initials(x) == name]
    if similar:
        suggestions = [".".join([*section, near]) for near in similar]
    else:
        suggestions = _find_in_other_sections(path, raw, tree)
    if suggestions:
        return f"unknown setting. Did you mean {join_with_or(suggestions)}?"
    return f"unknown setting. Known here: {', '.join(siblings)}"


def _find_in_other_sections(path: Sequence[str], raw: Any, tree: SchemaTree) -> list[str]:
    """Return up to three settings of the chosen options with the same name or these initials.

    For a name without a section, settings with a similar name are an alternative.
    """
    *section, name = path
    last_parts = {
        other: last
        for other in sorted(set(tree.chosen_setting_paths(raw)) - {".".join(path)})
        for parent, _, last in [other.rpartition(".")]
        if not parent.startswith("sweep.job")  # Only a sweep sets them.
        and name[:1] == last[:1]
    }
    found = [other for other, last in last_parts.items() if name in (last, _initials(last))]
    if not found and not section:
        similar = get_close_matches(name, set(last_parts.values()))
        found = [other for other, last in last_parts.items() if last in similar]
    return found[:3]


def _initials(name: str) -> str:
    """Return `lr` of `learning_rate`; an empty text of a single word."""
    return "".join(word[:1] for word in name.split("_")) if "_" in name else ""


def _format_value(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 3]}..."
