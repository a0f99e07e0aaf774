"""A validation error in the user's words: path, expected, received, nearest names."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

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
    "missing": "a value",
}
GROUPS = ("model", "optim", "optim.decay", "data", "device", "train", "tracking")


def format_validation_error(error: ValidationError, raw: Any, schema: type[BaseModel]) -> str:
    """One line for each wrong setting.

    Args:
        error: of `schema`, on validating `raw`.
        raw: the whole config as nested dicts and lists.
        schema: the model of the whole config.
    """
    lines: dict[tuple[str, str], str] = {}
    for details in error.errors():
        path = setting_path(details["loc"], raw)
        complaint = _complaint(details, path, schema)
        # A wrong value that several layers refer to is told once, where it was set.
        told_as = "model" if path.startswith("model.") else path
        lines.setdefault((told_as, complaint), f"{path}: {complaint}")
    return "\n".join(lines.values())


def setting_path(location: Sequence[int | str], raw: Any) -> str:
    """The path that a user would type. pydantic puts the names of union members in between."""
    parts: list[str] = []
    current = raw
    for position, part in enumerate(location):
        in_mapping = isinstance(current, dict) and part in current
        in_list = isinstance(current, list) and isinstance(part, int) and part < len(current)
        if in_mapping or in_list:
            current = current[part]
        elif not isinstance(current, dict) or position < len(location) - 1:
            continue
        parts.append(str(part))
    return ".".join(parts)


def setting_paths(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The paths of all settings of a schema; of a union, those of all its members."""
    for name, info in schema.model_fields.items():
        path = f"{prefix}{name}"
        yield path
        if get_origin(info.annotation) is dict:
            continue  # Its keys are the user's.
        for member in _models(info.annotation):
            yield from setting_paths(member, f"{path}.")


def _complaint(details: ErrorDetails, path: str, schema: type[BaseModel]) -> str:
    kind, received = details["type"], details["input"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, details["loc"], schema)
    if kind in ("literal_error", "union_tag_invalid"):
        names = _names(context.get("expected") or context["expected_tags"])
        if kind == "union_tag_invalid":
            received = context["tag"]
        return (
            f"expected one of {', '.join(names)}. Received: {received!r}."
            f"{did_you_mean(str(received), names)}"
        )
    if kind in EXPECTED:
        message = f"expected {EXPECTED[kind].format(**context)}"
    elif kind == "value_error":
        message = str(context["error"])
    else:
        message = details["msg"].replace("Input should be", "expected")
    if kind == "missing":
        return f"{message}. Received: nothing"
    hint = f". Choose an option with {path.replace('.', '/')}=NAME" if path in GROUPS else ""
    return f"{message}. Received: {_shown(received)}{hint}"


def _unknown(path: str, location: Sequence[int | str], schema: type[BaseModel]) -> str:
    """An unknown setting, with the nearest ones beside it, or those of its name elsewhere."""
    name = path.rpartition(".")[2]
    prefix = path.removesuffix(name)
    siblings = _fields_at(schema, location[:-1])
    namesakes = sorted(
        {p for p in setting_paths(schema) if p.rpartition(".")[2] == name and p != path}
    )
    nearest = [f"{prefix}{near}" for near in get_close_matches(name, siblings)] or namesakes[:3]
    if nearest:
        return f"unknown setting. Did you mean {join_with_or(nearest)}?"
    return f"unknown setting. Known here: {', '.join(siblings)}"


def _fields_at(schema: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The settings of the section at a location as pydantic reports it."""
    candidates: list[type[BaseModel]] = [schema]
    annotation: Any = schema
    for part in location:
        fields = [model.model_fields[part] for model in candidates if part in model.model_fields]
        if fields:
            annotation = fields[0].annotation
            candidates = list(_models(annotation))
        else:
            tagged = [model for model in candidates if _has_tag(model, str(part))]
            candidates = tagged or candidates
    return [
        info.alias or name for model in candidates[:1] for name, info in model.model_fields.items()
    ]


def _has_tag(model: type[BaseModel], tag: str) -> bool:
    info = model.model_fields.get("type")
    return info is not None and tag in get_args(info.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections in a type: itself, the members of a union, the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from _models(argument)


def _names(expected: Any) -> list[str]:
    """Names out of pydantic's `'a', 'b' or 'c'`."""
    return str(expected).replace(" or ", ", ").replace("'", "").split(", ")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
