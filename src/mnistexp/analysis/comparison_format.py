"""A comparison as a user reads it: in the terminal, as CSV, JSON or Markdown."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from mnistexp.analysis.comparison import Comparison, is_cost
from mnistexp.analysis.setting_differences import short_names
from mnistexp.analysis.significance import NOISE_TEST
from mnistexp.analysis.table_layout import print_in_columns, print_under_names, spaced
from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, Any]
Cell = Callable[[Row], str]
ACCURACIES = ("val_accuracy", "test_accuracy")
MAX_WORDS = 30
"""Characters of a setting in a table."""
MAX_ROWS = 60
"""Rows of a table in the terminal."""


@dataclass(frozen=True)
class ComparisonFormatter:
    """A comparison and how it is told.

    tells_story: what changed from row to row, instead of the settings that differ.
    title: what is compared. left_out: runs that are not, in words.
    """

    comparison: Comparison
    tells_story: bool
    title: str
    left_out: str

    def write(self, form: str, only: Sequence[str]) -> None:
        """Print it as `table`, `csv`, `json` or `markdown`.

        Args:
            only: names of columns, in their order. None: all that say something.

        Raises:
            InputError: there is no such column.
        """
        if form in ("csv", "json"):
            rows = self._data(only)
            as_text = rows.to_csv(index=False) if form == "csv" else _json(rows)
            sys.stdout.write(as_text)
            return
        if form == "markdown":
            print(self.as_markdown(only))
        else:
            self._print(*self._lines(only))

    def as_markdown(self, only: Sequence[str] = ()) -> str:
        """The table in Markdown. only: as of `write`."""
        return _markdown(*self._lines(only))

    def as_cells(self) -> Mapping[str, Any]:
        """Columns, each with `title` and `is_words`; rows of cells, each with `text` and `value`.

        The value is what a cell is sorted by: its figure, or its text.
        """
        cells, words = self._cells(()), {"name", "changed", *self._short_settings()}
        columns = [{"title": spaced(name), "is_words": name in words} for name in cells]
        rows = [
            [{"text": cell(row), "value": _sorting_value(cell(row))} for cell in cells.values()]
            for row in self._rows()
        ]
        return {"columns": columns, "rows": rows}

    def _lines(self, only: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """The titles of the columns, and the cells of every row."""
        cells = self._cells(only)
        return list(cells), [[cell(row) for cell in cells.values()] for row in self._rows()]

    def _rows(self) -> list[Row]:
        return cast(list[Row], self.comparison.rows.to_dict("records"))

    def _data(self, only: Sequence[str]) -> "pandas.DataFrame":
        """The raw figures. A metric's name stands for its mean and its standard deviation."""
        rows = self.comparison.rows
        if not only:
            return rows
        names = [
            column
            for name in only
            for column in ([name] if name in rows else [f"{name}_mean", f"{name}_std"])
        ]
        _check_columns(only, [name for name in names if name not in rows], list(rows.columns))
        return rows[names]

    def _cells(self, only: Sequence[str]) -> dict[str, Cell]:
        """Title and content of each column, those that say nothing left out."""
        known = self._all_cells()
        if only:
            _check_columns(only, [name for name in only if name not in known], list(known))
            return {name: known[name] for name in only}
        rows, unsaid = self._rows(), self._said_otherwise()
        return {
            name: cell
            for name, cell in known.items()
            if name not in unsaid and any(cell(row) for row in rows)
        }

    def _said_otherwise(self) -> set[str]:
        """Columns that others make superfluous: settings name a row, experiments have names."""
        settings = self.comparison.settings
        if self.tells_story or not settings or set(EXPERIMENT_GROUPS) & set(settings):
            return set(EXPERIMENT_GROUPS)
        return {"name"}

    def _all_cells(self) -> dict[str, Cell]:
        metric, settings = self.comparison.metric, self.comparison.settings
        accuracies = dict.fromkeys((metric, *ACCURACIES))
        short = short_names(settings)
        cells: dict[str, Cell] = {"name": lambda row: str(row["name"])}
        if self.tells_story:
            cells["changed"] = lambda row: str(row["changed"])
        else:
            cells |= {short[name]: partial(_setting, name) for name in settings}
        cells["n"] = lambda row: str(row["n"])
        cells |= {name: partial(self._accuracy, name) for name in accuracies}
        cells["change"] = lambda row: _difference(row, "change")
        cells["to_baseline"] = lambda row: _difference(row, "to_baseline")
        cells["seconds"] = lambda row: _cost(row, "seconds", "{:,.1f}", self.tells_story)
        cells["parameters"] = lambda row: _cost(row, "num_parameters", "{:,.0f}", self.tells_story)
        return cells

    def _accuracy(self, metric: str, row: Row) -> str:
        mean, std = _number(row, f"{metric}_mean"), _number(row, f"{metric}_std")
        if mean is None:
            return ""
        digits = 4 if abs(mean) < 100 else 0
        spread = f" ± {std:.{digits}f}" if std is not None else ""
        mark = " ★" if row["best"] and metric == self.comparison.metric else ""
        return f"{mean:.{digits}f}{spread}{mark}"

    def _print(self, titles: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
        from rich.console import Console

        console = Console()
        if self.title:
            console.print(self.title, style="bold", highlight=False)
        words = [t for t in titles if t in {"name", "changed", *self._short_settings()}]
        layout = print_under_names if "name" in words else print_in_columns
        layout(console, titles, lines[:MAX_ROWS], words)
        for note in self._notes(lines):
            console.print(note, style="dim", highlight=False)

    def _short_settings(self) -> list[str]:
        return list(short_names(self.comparison.settings).values())

    def _notes(self, lines: Sequence[Sequence[str]]) -> list[str]:
        """What the marks mean that are shown, and what is not shown."""
        metric, shown = self.comparison.metric, " ".join(word for line in lines for word in line)
        best = f"★ best {metric}"
        if metric.startswith("test"):
            best = f"★ {'lowest' if is_cost(metric) else 'highest'} {metric}; choose by validation"
        marks = {
            "★": best,
            "≈": f"≈ within the noise: {NOISE_TEST}",
            "?": "? one seed alone does not tell how much is noise",
        }
        notes = [note for mark, note in marks.items() if mark in shown]
        if len(lines) > MAX_ROWS:
            notes.append(f"… and {len(lines) - MAX_ROWS} more rows: --format csv has all")
        return [*notes, f"left out: {self.left_out}"] if self.left_out else notes


def _sorting_value(text: str) -> str:
    """`0.9912` of `0.9912 ± 0.0004 ★`, `12345` of `12,345`; other texts as they are."""
    first = text.split(" ")[0].replace(",", "")
    try:
        return str(float(first))
    except ValueError:
        return text


def _setting(name: str, row: Row) -> str:
    value = row[name]
    if not isinstance(value, str) and (value is None or value != value):
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 1]}…"


def _difference(row: Row, name: str) -> str:
    change, noise = _number(row, name), row.get(f"{name}_within_noise")
    if change is None:
        return ""
    mark = " ?" if noise is None or noise != noise else " ≈" if noise else ""
    digits = 4 if abs(change) < 100 else 0
    return f"{change:+.{digits}f}{mark}"


def _cost(row: Row, name: str, pattern: str, with_ratio: bool) -> str:
    value, ratio = _number(row, name), _number(row, f"{name}_ratio")
    if value is None:
        return ""
    told = f" (×{ratio:.2g})" if with_ratio and ratio and f"{ratio:.2g}" != "1" else ""
    return pattern.format(value) + told


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return value if isinstance(value, int | float) and value == value else None


def _check_columns(only: Sequence[str], unknown: Sequence[str], known: Sequence[str]) -> None:
    if unknown:
        name = next((name for name in only if name in unknown or f"{name}_mean" in unknown), "")
        raise InputError(
            f"--columns: expected some of {', '.join(known)}. Received: {name!r}."
            f"{did_you_mean(name, known)}"
        )


def _json(rows: "pandas.DataFrame") -> str:
    return str(rows.to_json(orient="records", indent=2, force_ascii=False)) + "\n"


def _markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [titles, ["---"] * len(titles), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |" for row in rows)
