"""What a half-typed choice or setting may become: `model=con`, `train.ep`, `optim/decay=`."""

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mnistexp.config.config_groups import (
    EXPERIMENT_GROUPS,
    experiment_folders,
    list_groups,
    package_folder,
)

HYDRAS = ("sweeper", "launcher")
"""The groups of Hydra's that have options of ours."""


def complete_override(words: Sequence[str], begun: str) -> list[str]:
    """What may stand in the place of a word that is begun.

    Args:
        words: those before it, which choose the model, say, whose layers are proposed.
        begun: `model=con`, `train.`, or nothing yet.

    Returns:
        Whole words; one that ends with `=` or `.` is to be gone on with.
    """
    groups = list_groups()
    name, equals, value = begun.partition("=")
    if not equals:
        choices = [f"{group}=" for group in groups if group.startswith(begun)]
        settings = _of_hydra if begun.startswith("hydra.") else _settings
        return choices + [path for path in settings(words, begun) if path not in choices]
    # For a sweep, values are divided by commas.
    earlier, comma, last = value.rpartition(",")
    possible = groups[name] if name in groups else _values(words, name)
    return [f"{name}={earlier}{comma}{word}" for word in possible if word.startswith(last)]


def _settings(words: Sequence[str], begun: str) -> Iterator[str]:
    """The settings and sections of the place that a path has reached."""
    above, dot, last = begun.rpartition(".")
    for annotation, raw in _places(words, above.split(".") if above else []):
        for name, inner in _members(annotation, raw):
            if name.startswith(last):
                path = f"{above}{dot}{name}"
                yield from _endings(path, inner)


def _of_hydra(words: Sequence[str], begun: str) -> Iterator[str]:
    """The settings of the chosen sweeper and launcher, which are in no schema of ours."""
    above, _, last = begun.rpartition(".")
    raw: Any = {"hydra": {kind: _chosen(words).get(f"hydra/{kind}", {}) for kind in HYDRAS}}
    for part in above.split("."):
        raw = raw.get(part, {}) if isinstance(raw, dict) else {}
    for name, value in raw.items() if isinstance(raw, dict) else ():
        if str(name).startswith(last) and name not in ("defaults", "_target_"):
            yield f"{above}.{name}{'.' if isinstance(value, dict) else '='}"


def _endings(path: str, annotation: Any) -> list[str]:
    """`=` behind what takes a value, `.` behind a section, and both behind what can be either."""
    kinds = [kind for kind in _alternatives(annotation) if kind is not NoneType]
    is_section = [_is_model(kind) or get_origin(kind) is dict for kind in kinds]
    ends = [end for end, wanted in ((".", any(is_section)), ("=", not all(is_section))) if wanted]
    return [f"{path}{end}" for end in ends]


def _values(words: Sequence[str], path: str) -> list[str]:
    """The names that a setting can be set to; none where it takes a number or any text."""
    found: dict[str, None] = {}
    for annotation, _ in _places(words, path.split(".")):
        for kind in _alternatives(annotation):
            if get_origin(kind) is Literal:
                found |= dict.fromkeys(str(value) for value in get_args(kind))
            elif kind is bool:
                found |= {"true": None, "false": None}
            elif kind is NoneType:
                found |= {"null": None}
    return list(found)


def _places(words: Sequence[str], path: Sequence[str]) -> list[tuple[Any, Any]]:
    """The types at a path, each with what the chosen options say there."""
    from mnistexp.config.config import Config

    places: list[tuple[Any, Any]] = [(Config, _chosen(words))]
    for part in path:
        places = [
            (inner, raw.get(part) if isinstance(raw, Mapping) else None)
            for annotation, raw in places
            for name, inner in _members(annotation, raw)
            if name == part
        ]
    return places


def _members(annotation: Any, raw: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a section, or the keys that a mapping has so far, with their types."""
    kinds = _alternatives(annotation)
    models = [kind for kind in kinds if _is_model(kind)]
    for model in [m for m in models if _is_of_type(m, raw)] or models:
        yield from ((name, _accepted(info)) for name, info in model.model_fields.items())
    for kind in kinds:
        if get_origin(kind) is dict and isinstance(raw, Mapping):
            yield from ((str(key), get_args(kind)[1]) for key in raw)


def _accepted(field: FieldInfo) -> Any:
    """The type that may be given, where it is not the one that it becomes."""
    parsers = [entry for entry in field.metadata if isinstance(entry, BeforeValidator)]
    declared = [entry.json_schema_input_type for entry in parsers]
    given = [kind for kind in declared if kind is not PydanticUndefined]
    return given[0] if given else field.annotation


def _is_of_type(model: type[BaseModel], raw: Any) -> bool:
    """Whether a member of a union is the one that the chosen option has."""
    field = model.model_fields.get("type")
    if field is None or not isinstance(raw, Mapping):
        return False
    return raw.get("type", field.default) in get_args(field.annotation)


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, without what annotates them."""
    if hasattr(annotation, "__metadata__"):  # Annotated.
        return _alternatives(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _chosen(words: Sequence[str]) -> dict[str, Any]:
    """The options that the words choose, read but not composed: enough to propose names."""
    typed = dict(word.partition("=")[::2] for word in words if "=" in word)
    choices = _defaults(_read("config"))
    for group in EXPERIMENT_GROUPS:
        if group in typed:
            choices |= _defaults(_read(f"{group}/{typed[group]}"))
    choices |= typed
    raw = {name: _read(f"{name}/{option}") for name, option in choices.items() if option}
    optim = raw.get("optim", {})
    decay = choices.get("optim/decay") or _defaults(optim).get("decay")
    return {**raw, "optim": {**optim, "decay": _read(f"optim/decay/{decay}")}}


def _defaults(raw: Mapping[str, Any]) -> dict[str, str]:
    """The choices of a file's defaults list, `override /model: conv` among them."""
    entries = [entry for entry in raw.get("defaults", []) if isinstance(entry, dict)]
    pairs = [pair for entry in entries for pair in entry.items()]
    return {str(key).removeprefix("override ").lstrip("/"): option for key, option in pairs}


def _read(option: str) -> dict[str, Any]:
    """A file of the groups; nothing where there is none, as while a name is being typed."""
    files = [
        folder / f"{option}.yaml" for folder in (package_folder("conf"), *experiment_folders())
    ]
    found = next((file for file in files if file.is_file()), None)
    raw = yaml.safe_load(found.read_text()) if found else None
    return raw if isinstance(raw, dict) else {}
