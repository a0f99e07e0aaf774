"""What differs between recipes, in as few words as say all of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from mnistexp.analysis.seed_groups import SeedGroup
from mnistexp.config.config import SHARED_MODEL_SETTINGS
from mnistexp.config.config_groups import EXPERIMENT_GROUPS

LAYER = "model.layers."
SHARED = tuple(f"model.{name}" for name in ("type", *SHARED_MODEL_SETTINGS))
"""Settings that layers refer to, so that a difference is that of the layers."""
SECTIONS = ("model", "optim", "optim/decay", "data", "device", "train", *EXPERIMENT_GROUPS)


def differing(recipes: Sequence[SeedGroup]) -> list[str]:
    """The settings that are not the same for all, without those that a choice explains.

    Where `model` is chosen differently, the layers differ with it and are not named; a layer that
    differs between recipes of the same `model` is.
    """
    names = dict.fromkeys(name for recipe in recipes for name in recipe.settings)
    different = [name for name in names if len({_key(r, name) for r in recipes}) > 1]
    shown: list[str] = []
    for name in sorted(different, key=_rank):
        choices = [choice for choice in shown if choice in SECTIONS and _covers(choice, name)]
        if not _is_determined(recipes, name, choices):
            shown.append(name)
    return shown


def changes(before: SeedGroup, after: SeedGroup) -> list[str]:
    """What was changed from one recipe to another, a few words each.

    `activation sigmoid → relu (hidden1, hidden2)`, `+ dropout`, `optim.learning_rate 0.003 → 0.01`.
    """
    old, new = _details(before.settings), _details(after.settings)
    layers_before, layers_after = _layers(old), _layers(new)
    stay = [name for name in layers_before if name in layers_after]
    told = [f"+ {names} ({what})" for what, names in _grouped(layers_after, stay).items()]
    told += [
        f"− {names}" for names in [", ".join(n for n in layers_before if n not in stay)] if names
    ]
    told += _layer_changes(old, new, stay)
    others = [name for name in {**old, **new} if not name.startswith(LAYER)]
    return told + [
        f"{name} {_shown(old.get(name))} → {_shown(new.get(name))}"
        for name in others
        if _differs(old, new, name)
    ]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The shortest ends of paths that tell them apart: `units`, or `hidden1.units`."""

    def end(key: str, length: int) -> str:
        return ".".join(key.split(".")[-length:])

    names = {}
    for key in keys:
        others = [other for other in keys if other != key]
        lengths = range(1, key.count(".") + 2)
        names[key] = next(
            (
                end(key, length)
                for length in lengths
                if end(key, length) not in {end(other, length) for other in others}
            ),
            key,
        )
    return names


def _layer_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], layers: Sequence[str]
) -> list[str]:
    """Changes within layers that stay; the same change of several layers is told once."""
    where: dict[str, list[str]] = {}
    for layer in layers:
        start = f"{LAYER}{layer}."
        for name in [name for name in {**old, **new} if name.startswith(start)]:
            if _differs(old, new, name):
                change = f"{name.removeprefix(start)} {_shown(old.get(name))} → "
                where.setdefault(change + _shown(new.get(name)), []).append(layer)
    return [f"{change} ({', '.join(names)})" for change, names in where.items()]


def _layers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Each layer by name, and what it is: `dense 200`, `conv2d 6×6×12`."""
    names = [name.split(".")[2] for name in settings if name.startswith(LAYER)]
    return {name: _described(settings, f"{LAYER}{name}.") for name in dict.fromkeys(names)}


def _described(settings: Mapping[str, Any], start: str) -> str:
    layer = {name.removeprefix(start): v for name, v in settings.items() if name.startswith(start)}
    sizes = [layer.get(name) for name in ("kernel_size", "kernel_size", "filters", "units", "rate")]
    size = "×".join(_shown(value) for value in sizes if value is not None)
    return f"{layer.get('type', 'layer')} {size}".strip()


def _grouped(layers: Mapping[str, str], stay: Sequence[str]) -> dict[str, str]:
    """The names of new layers, those that are alike together."""
    groups: dict[str, list[str]] = {}
    for name, what in layers.items():
        if name not in stay:
            groups.setdefault(what, []).append(name)
    return {what: ", ".join(names) for what, names in groups.items()}


def _details(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the choices, which are only names for them; see `_collapsed`."""
    return _collapsed(
        {
            name: value
            for name, value in settings.items()
            if name not in SECTIONS and not name.endswith(".after") and not name.startswith(SHARED)
        }
    )


def _collapsed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A kind with its own settings as one value: `optim.decay` is `exponential (floor 0.0001)`."""
    starts = [name.removesuffix("type") for name in settings if name.endswith(".type")]
    kinds = [start for start in starts if not _is_section_or_layer(start)]
    collapsed: dict[str, Any] = {}
    for name, value in settings.items():
        kind = next((start for start in kinds if name.startswith(start)), None)
        if kind is None:
            collapsed[name] = value
        elif name == f"{kind}type":
            own = [
                f"{n.removeprefix(kind)} {_shown(v)}"
                for n, v in settings.items()
                if n.startswith(kind) and n != name and v is not None
            ]
            collapsed[kind[:-1]] = f"{value} ({', '.join(own)})" if own else value
    return collapsed


def _is_section_or_layer(start: str) -> bool:
    return start.count(".") == 1 or (start.startswith(LAYER) and start.count(".") == 3)


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    """Whether a setting was changed, and did not just come or go with another kind."""
    if old.get(name) == new.get(name):
        return False
    kind = f"{name.rpartition('.')[0]}.type"
    one_sided = name not in old or name not in new
    return not (one_sided and old.get(kind) != new.get(kind))


def _covers(choice: str, name: str) -> bool:
    """Whether a choice may have set a setting; an experiment sets any."""
    return choice in EXPERIMENT_GROUPS or name.startswith(
        (f"{choice.replace('/', '.')}.", f"{choice}/")
    )


def _is_determined(recipes: Sequence[SeedGroup], name: str, choices: Sequence[str]) -> bool:
    """Whether recipes of the same choices always have the same value."""
    if not choices:
        return False
    values: dict[tuple[object, ...], object] = {}
    for recipe in recipes:
        chosen = tuple(_key(recipe, choice) for choice in choices)
        if values.setdefault(chosen, _key(recipe, name)) != _key(recipe, name):
            return False
    return True


def _rank(name: str) -> tuple[bool, bool]:
    """Experiments first, then the other choices, then settings."""
    return name not in EXPERIMENT_GROUPS, name not in SECTIONS


def _key(recipe: SeedGroup, name: str) -> str:
    return str(recipe.settings.get(name))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
