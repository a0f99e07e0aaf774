"""Filter runs by conditions that users type: `model = conv_big and test_accuracy > 0.99`."""

import fnmatch
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mnistexp.errors import ConfigError, did_you_mean
from mnistexp.tracking import RunRecord

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
CONDITION = re.compile(
    r"""\s*(?P<name>[\w./@-]+)\s*(?P<operator><=|>=|!=|==|=|<|>|\blike\b)\s*"""
    r"""(?P<value>"[^"]*"|'[^']*'|\S+)\s*$""",
    re.IGNORECASE,
)
SYNTAX = "NAME OPERATOR VALUE [and …], with =, !=, <, <=, >, >= or like (* for any text)"


def filter_runs(runs: Sequence[RunRecord], where: str) -> list[RunRecord]:
    """Return the runs for which all conditions hold.

    Args:
        where: conditions `NAME OPERATOR VALUE`, joined by `and`. NAME is a key of
            `RunRecord.values`, or the end of a key (`learning_rate`) if only one key ends so.

    Raises:
        ConfigError: a condition cannot be parsed, or no run has such a name.
    """
    names = dict.fromkeys(name for run in runs for name in run.values)
    conditions = re.split(r"\s+and\s+", where.strip(), flags=re.IGNORECASE) if where.strip() else []
    for condition in conditions:
        name, holds = _parse(condition, names)
        runs = [run for run in runs if holds(run.values.get(name))]
    return list(runs)


def _parse(condition: str, names: Collection[str]) -> tuple[str, Callable[[object], bool]]:
    """Return the name in a condition, and a function that tests a value of that name."""
    match = CONDITION.match(condition)
    if match is None:
        raise ConfigError(f"--where: expected {SYNTAX}. Received: {condition.strip()!r}")
    name = _full_name(match["name"], names)
    wanted = match["value"].strip("\"'")
    symbol = match["operator"].lower().replace("==", "=")
    if symbol == "like":
        pattern = wanted.replace("%", "*")
        return name, lambda value: fnmatch.fnmatchcase(_text(value), pattern)
    compare, number = OPERATORS[symbol], _number(wanted)
    if not math.isnan(number):
        return name, lambda value: compare(_number(value), number)
    if symbol not in ("=", "!="):
        raise ConfigError(
            f"--where: expected a number after {symbol}, a text after =, != or like. "
            f"Received: {wanted!r}"
        )
    return name, lambda value: compare(_text(value).lower(), wanted.lower())


def _full_name(name: str, names: Collection[str]) -> str:
    if name in names:
        return name
    endings = [known for known in names if known.endswith(f".{name}")]
    if len(endings) == 1:
        return endings[0]
    if endings:
        raise ConfigError(f"{name}: expected one of {', '.join(endings[:8])}. Received: {name!r}")
    raise ConfigError(
        f"{name}: expected a setting, a metric or a tag of these runs. Received: {name!r}."
        f"{_suggest(name, names)}"
    )


def _suggest(name: str, names: Collection[str]) -> str:
    """Suggest similar names, first those with as many parts: `model`, not `model.C`."""
    alike = [known for known in names if known.count(".") == name.count(".")]
    return did_you_mean(name, alike) or did_you_mean(name, names)


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _number(value: Any) -> float:
    """Return a value as a number. Anything else becomes NaN, for which only != holds."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
