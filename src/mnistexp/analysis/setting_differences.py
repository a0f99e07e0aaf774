"""Find the settings that differ between seed groups, and describe the changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from mnistexp.analysis.seed_groups import SeedGroup
from mnistexp.config.config import NETWORK_SECTIONS, SHARED_MODEL_SETTINGS
from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.config.run_names import short_names
from mnistexp.train.config import DEFAULT_EPOCHS

LAYER = "model.layers."
SHARED_SETTINGS = tuple(f"model.{name}" for name in ("type", *SHARED_MODEL_SETTINGS))
"""Defaults of the layers. They are not described, because the settings of the layers show them."""
CHOICES = ("model", "optim", "optim/decay", "data", "device", "train", *EXPERIMENT_GROUPS)


def differing_settings(groups: Sequence[SeedGroup]) -> list[str]:
    """Return the settings that differ between groups, without those that follow from a choice.

    For example, the layers of two groups with different choices of `model` are left out, and so are
    the units of the last layer, if they are the number of classes of the data. A layer that differs
    between groups with the same `model` is named. Groups whose type of model or optimizer has no
    such setting do not count.
    """
    names = dict.fromkeys(name for group in groups for name in group.settings)
    found: list[str] = []
    for name in sorted(names, key=_rank):
        compared = _groups_with(groups, name)
        choices = [other for other in found if _may_set(other, name)]
        is_different = len({_text_of(group, name) for group in compared}) > 1
        is_given = _is_number_of_classes(compared, name) or _follows_from(compared, name, choices)
        if is_different and not is_given:
            found.append(name)
    return found


def label_groups(groups: Sequence[SeedGroup]) -> list[str]:
    """Return a label for each group that says in what it differs: `conv, learning_rate=0.01`.

    Groups that do not differ in a setting have their names, and equal labels their ids too.
    """
    settings = differing_settings(groups)
    names = short_names(settings)
    labels = [
        ", ".join(
            _format_label(name if name in CHOICES else names[name], group.settings.get(name))
            for name in settings
            if name in group.settings
        )
        or group.name
        for group in groups
    ]
    ids = [str(group.runs["run_id"].iloc[0])[:8] for group in groups]
    return [
        label if labels.count(label) == 1 else f"{label} ({run_id})"
        for label, run_id in zip(labels, ids, strict=True)
    ]


def describe_changes(before: SeedGroup, after: SeedGroup) -> list[str]:
    """Describe what was changed from one group to another.

    For example `activation sigmoid → relu (hidden1, hidden2)`, `+ drop (dropout 0.25)`,
    `optim.learning_rate 0.003 → 0.01`.
    """
    old, new = _details(before.settings), _details(after.settings)
    old_layers, new_layers = _layers(old), _layers(new)
    kept = [name for name in old_layers if name in new_layers]
    added = _names_by_description({n: new_layers[n] for n in new_layers if n not in kept})
    changes = [f"+ {names} ({description})" for description, names in added.items()]
    removed = ", ".join(name for name in old_layers if name not in kept)
    if removed:
        changes.append(f"− {removed}")
    others = [name for name in {**old, **new} if not name.startswith(LAYER)]
    return [
        *changes,
        *_layer_changes(old, new, kept),
        *(f"{name} {_change(old, new, name)}" for name in others if _is_changed(old, new, name)),
    ]


def _layer_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], layers: Sequence[str]
) -> list[str]:
    """Describe changes within layers; the same change of several layers is one entry."""
    layers_by_change: dict[str, list[str]] = {}
    for layer in layers:
        prefix = f"{LAYER}{layer}."
        for name in [name for name in {**old, **new} if name.startswith(prefix)]:
            if _is_changed(old, new, name):
                change = f"{name.removeprefix(prefix)} {_change(old, new, name)}"
                layers_by_change.setdefault(change, []).append(layer)
    return [f"{change} ({', '.join(names)})" for change, names in layers_by_change.items()]


def _layers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return a description of each layer, by name: `dense 200`, `conv2d 6×6×12`."""
    names = [name.split(".")[2] for name in settings if name.startswith(LAYER)]
    return {name: _describe_layer(settings, f"{LAYER}{name}.") for name in dict.fromkeys(names)}


def _describe_layer(settings: Mapping[str, Any], prefix: str) -> str:
    layer = {n.removeprefix(prefix): v for n, v in settings.items() if n.startswith(prefix)}
    sizes = [layer.get(name) for name in ("kernel_size", "kernel_size", "filters", "units", "rate")]
    size = "×".join(_format(value) for value in sizes if value is not None)
    return f"{layer.get('type', 'layer')} {size}".strip()


def _names_by_description(layers: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for name, description in layers.items():
        names.setdefault(description, []).append(name)
    return {description: ", ".join(equal) for description, equal in names.items()}


def _details(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without choices, which are only names of settings; merge each type."""
    is_network = "train.batch_size" in settings  # Only networks have the section.
    if is_network and not {"train.epochs", "train.steps"} & settings.keys():
        settings = {**settings, "train.epochs": DEFAULT_EPOCHS}
    return _merge_types(
        {
            name: value
            for name, value in settings.items()
            if name not in CHOICES
            and not name.endswith(".after")
            and not name.startswith(SHARED_SETTINGS)
        }
    )


def _merge_types(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a type and its own settings: `optim.decay` becomes `exponential (floor 0.0001)`.

    Sections and layers keep their settings apart.
    """
    prefixes = [name.removesuffix("type") for name in settings if name.endswith(".type")]
    merged_prefixes = [prefix for prefix in prefixes if not _is_section_or_layer(prefix)]
    merged: dict[str, Any] = {}
    for name, value in settings.items():
        prefix = next((prefix for prefix in merged_prefixes if name.startswith(prefix)), None)
        if prefix is None:
            merged[name] = value
        elif name == f"{prefix}type":
            own = [
                f"{other.removeprefix(prefix)} {_format(v)}"
                for other, v in settings.items()
                if other.startswith(prefix) and other != name and v is not None
            ]
            merged[prefix[:-1]] = f"{value} ({', '.join(own)})" if own else value
    return merged


def _is_section_or_layer(prefix: str) -> bool:
    return prefix.count(".") == 1 or (prefix.startswith(LAYER) and prefix.count(".") == 3)


def _is_changed(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    """Return whether a setting was changed. One that comes or goes with a type does not count."""
    if old.get(name) == new.get(name):
        return False
    type_name = f"{name.rpartition('.')[0]}.type"
    one_sided = name not in old or name not in new
    return not (one_sided and old.get(type_name) != new.get(type_name))


def _may_set(other: str, name: str) -> bool:
    """Return whether a choice, or a default of all layers, may set a setting.

    An experiment may set any.
    """
    if other in SHARED_SETTINGS:
        return name.startswith(LAYER) and name.endswith(other.removeprefix("model"))
    prefixes = (f"{other.replace('/', '.')}.", f"{other}/")
    return other in EXPERIMENT_GROUPS or (other in CHOICES and name.startswith(prefixes))


def _is_number_of_classes(groups: Sequence[SeedGroup], name: str) -> bool:
    """Return whether a setting is the number of units of the last layer, which the data decides."""
    return name.endswith(".units") and all(
        group.settings.get(name) == group.settings.get("data.num_classes") for group in groups
    )


def _groups_with(groups: Sequence[SeedGroup], name: str) -> list[SeedGroup]:
    """Return the groups without those that lack a setting because they are of another type.

    For example, stochastic gradient descent has no `optim.beta_1`, and a random forest has no
    `optim.type`. A setting that a group of the same type has may be lacking because it is none.
    """
    having = [group for group in groups if name in group.settings]
    types = {
        path: {group.settings.get(path) for group in having} | {None} for path in _types_above(name)
    }
    return [
        group
        for group in groups
        if name in group.settings
        or all(group.settings.get(path) in known for path, known in types.items())
    ]


def _types_above(name: str) -> list[str]:
    """Return the types that decide whether there is a setting: `optim.type` for `optim.beta_1`."""
    sections = name.split(".")[:-1]
    types = [f"{'.'.join(sections[: end + 1])}.type" for end in range(len(sections))]
    is_of_network = name.replace("/", ".").split(".")[0] in NETWORK_SECTIONS
    return [*types, "model.type"] if is_of_network else types


def _follows_from(groups: Sequence[SeedGroup], name: str, choices: Sequence[str]) -> bool:
    """Return whether groups with equal choices have equal values."""
    if not choices:
        return False
    values: dict[tuple[str, ...], str] = {}
    for group in groups:
        chosen = tuple(_text_of(group, choice) for choice in choices)
        if values.setdefault(chosen, _text_of(group, name)) != _text_of(group, name):
            return False
    return True


def _rank(name: str) -> tuple[bool, bool, bool]:
    """Sort experiments first, then other choices, then defaults of all layers, then settings."""
    return name not in EXPERIMENT_GROUPS, name not in CHOICES, name not in SHARED_SETTINGS


def _text_of(group: SeedGroup, name: str) -> str:
    return str(group.settings.get(name))


def _change(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> str:
    return f"{_format(old.get(name))} → {_format(new.get(name))}"


def _format_label(name: str, value: object) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return shown if name in CHOICES else f"{name}={shown}"


def _format(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format, value))}]"
    text = str(value)
    return text.lower() if text in ("None", "True", "False") else text
