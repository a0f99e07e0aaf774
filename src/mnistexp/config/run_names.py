"""Default names of runs: what was chosen and what was changed, `softmax-sgd-epochs=2-s0`."""

import re
from collections.abc import Collection, Mapping, Sequence

from mnistexp.config.config_groups import EXPERIMENT_GROUPS

MAX_CHANGES = 4
"""More changed settings are counted: `softmax-sgd-units=30-+2-s0`."""
MAX_VALUE_LENGTH = 20
MAPPING_TYPE = re.compile(r"\s*\{([^\[\]{}]*,)?\s*[\"']?type[\"']?\s*:\s*[\"']?(?P<type>\w+)")
"""The start of a mapping, up to its type."""
MAX_NUMBER_LENGTH = 8
"""Longer numbers are rounded to four significant digits."""
UNNAMED_SECTIONS = ("seed", "device", "tracking", "dashboard", "sweep", "expect")
"""Changes in these sections are not part of a name; the seed is its end."""
UNNAMED_SETTINGS = (
    *("data.name", "data.directory", "data.url"),
    *("train.log_every", "train.evaluate_every", "train.evaluate_early"),
    *("train.evaluate_at_start", "train.evaluate_on", "train.checkpoint_every"),
)
"""Settings that change nothing about the training."""
VAGUE_ENDINGS = (".value", ".metric", ".monitor", ".patience")
"""Ends of paths that say nothing without the section: `target.value`."""
DEFAULT_CHOICES = ("data=mnist", "train=default")


def name_run(
    chosen: Sequence[str],
    overrides: Sequence[str],
    choices: Mapping[str, str],
    seed: int,
    varying: Collection[str] | None = None,
) -> str:
    """Return the name of a run.

    Args:
        chosen: the experiment, or model and optimizer: the start of the name.
        overrides: as typed, without the choices that `chosen` names.
        choices: the chosen option of each group.
        varying: the settings that differ between the runs of a sweep: only these and the data set
            are named. What all its runs share is in the command of the sweep. None: a single run.
    """
    changes = {_key(text): text for text in overrides if _is_named(text)}  # The last one counts.
    # Choices first; equal settings in another order are the same run.
    changes = dict(sorted(changes.items(), key=lambda change: (change[0] not in choices, change)))
    if varying is not None:
        changes = {key: text for key, text in changes.items() if key in (*varying, "data")}
    names = short_names(list(changes))
    parts = [_format_change(changes[key], names[key], key in choices) for key in changes]
    left = 0 if varying is not None else len(parts) - MAX_CHANGES
    parts = parts if left <= 0 else [*parts[:MAX_CHANGES], f"+{left}"]
    return "-".join([*chosen, *parts, f"s{seed}"])


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return the shortest endings of paths that are unique: `units`, or `hidden1.units`."""

    def ending(path: str, length: int) -> str:
        return ".".join(path.split(".")[-length:])

    names = {}
    for path in paths:
        others = [other for other in paths if other != path]
        endings = (
            (ending(path, length), {ending(other, length) for other in others})
            for length in range(1 + path.endswith(VAGUE_ENDINGS), path.count(".") + 2)
        )
        names[path] = next((own for own, taken in endings if own not in taken), path)
    return names


def format_value(value: str) -> str:
    """Shorten a long number: `0.013130280280658591` to `0.01313`."""
    is_number = re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", value)
    return f"{float(value):.4g}" if is_number and len(value) > MAX_NUMBER_LENGTH else value


def format_text(value: str) -> str:
    """Return a value without the characters that would have to be quoted in a shell.

    Of a mapping only its type: `dropout` of `{type: dropout, rate: 0.5}`; without one, `changed`.
    """
    if value.lstrip().startswith("{"):
        found = MAPPING_TYPE.match(value)
        return found["type"] if found else "changed"
    text = re.sub(r"[\[\]{}\"'\\]", "", format_value(value))
    words = re.sub(r"[^\w.,:+-]+", "_", re.sub(r"\s*,\s*", ",", text))
    return words.strip("_")[:MAX_VALUE_LENGTH]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _is_named(override: str) -> bool:
    key = _key(override)
    is_unnamed = key.partition(".")[0] in (*UNNAMED_SECTIONS, *EXPERIMENT_GROUPS)
    return not is_unnamed and key not in UNNAMED_SETTINGS and override not in DEFAULT_CHOICES


def _format_change(override: str, name: str, is_choice: bool) -> str:
    """Return `epochs=2` for a setting, `cosine` for a choice, `no_dropout` for a deletion."""
    if override.startswith("~"):
        return f"no_{name}"
    value = format_text(override.partition("=")[2])
    # The options of train are named after experiments, so they would be taken for one.
    return value if is_choice and name != "train" else f"{name.rpartition('/')[2]}={value}"
