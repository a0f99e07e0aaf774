"""Which runs, in words: `model = conv_big and test_accuracy > 0.99`."""

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mnistexp.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pandas

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
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
FORM = "NAME OPERATOR VALUE [and …], with =, !=, <, <=, >, >= or like (* for any text)"


def filter_runs(runs: "pandas.DataFrame", where: str) -> "pandas.DataFrame":
    """The rows of a table of runs for which all conditions hold.

    Args:
        runs: of `load_runs`.
        where: conditions `NAME OPERATOR VALUE`, joined by `and`. A name is that of a column, or
            its end, `learning_rate`, where only one column ends so.

    Raises:
        ConfigError: a condition cannot be read, or a name is of no column.
    """
    for text in re.split(r"\s+and\s+", where.strip(), flags=re.IGNORECASE) if where.strip() else []:
        runs = runs[_holds(runs, text)]
    return runs.reset_index(drop=True)


def column_named(runs: "pandas.DataFrame", name: str) -> str:
    """The column that a name means: it, or the only one that ends with it.

    Raises:
        ConfigError: there is none, or there are several.
    """
    if name in runs:
        return name
    ends = [str(column) for column in runs.columns if str(column).endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ConfigError(f"{name}: expected one of {', '.join(ends[:8])}. Received: {name!r}")
    raise ConfigError(
        f"{name}: expected a setting, a metric or a tag of these runs. Received: {name!r}."
        f"{did_you_mean(name, map(str, runs.columns))}"
    )


def _holds(runs: "pandas.DataFrame", text: str) -> "pandas.Series[bool]":
    match = CONDITION.match(text)
    if match is None:
        raise ConfigError(f"--where: expected {FORM}. Received: {text.strip()!r}")
    values = runs[column_named(runs, match["name"])]
    wanted = match["value"].strip("\"'")
    word = match["operator"].lower().replace("==", "=")
    if word == "like":
        pattern = wanted.replace("%", "*")
        return values.map(lambda value: fnmatch.fnmatchcase(_text(value), pattern)).astype(bool)
    number = _number(wanted)
    if number is None:
        return _compared_as_text(values, word, wanted)
    return COMPARISONS[word](_numbers(values), number)  # type: ignore[no-any-return]


def _compared_as_text(
    values: "pandas.Series[Any]", word: str, wanted: str
) -> "pandas.Series[bool]":
    if word not in ("=", "!="):
        raise ConfigError(
            f"--where: expected a number after {word}, a text after =, != or like. "
            f"Received: {wanted!r}"
        )
    return COMPARISONS[word](values.map(_text).str.lower(), wanted.lower())  # type: ignore[no-any-return]


def _text(value: object) -> str:
    missing = value is None or value != value
    return "none" if missing else str(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _numbers(values: "pandas.Series[Any]") -> "pandas.Series[float]":
    import pandas

    return pandas.to_numeric(values, errors="coerce")
