"""Write a comparison as a table for the terminal, or as CSV, JSON or Markdown."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from mnistexp.analysis.comparison import Comparison, lower_is_better
from mnistexp.analysis.setting_differences import short_names
from mnistexp.analysis.significance import NOISE_TEST
from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.errors import InputError, did_you_mean
from mnistexp.tables import Cell, Column, Table

Row = Mapping[str, Any]
ACCURACIES = ("val_accuracy", "test_accuracy")
MAX_SETTING_LENGTH = 30
MAX_ROWS = 60
"""Rows of a table in the terminal."""


@dataclass(frozen=True)
class ComparisonFormatter:
    """Formats and prints a comparison.

    shows_changes: show what changed from row to row, instead of the settings that differ.
    title: the heading in the terminal.
    excluded: the number of runs that are not compared, for example `2 failed, 1 running`.
    """

    comparison: Comparison
    shows_changes: bool = False
    title: str = ""
    excluded: str = ""

    def write(self, format_: str = "table", columns: Sequence[str] = ()) -> None:
        """Print the comparison as `table`, `csv`, `json` or `markdown`.

        Args:
            columns: names of columns, in their order. Default: all that are not empty.

        Raises:
            InputError: there is no such column.
        """
        if format_ == "csv":
            sys.stdout.write(self.to_data_table(columns).to_csv())
        elif format_ == "json":
            sys.stdout.write(self.to_data_table(columns).to_json())
        elif format_ == "markdown":
            print(self.to_table(columns).to_markdown())
        else:
            self._print(self.to_table(columns))

    def to_table(self, columns: Sequence[str] = ()) -> Table:
        """Return a table of formatted values. columns: as of `write`."""
        formatters, rows = self._formatters(), self._rows()
        if columns:
            _check_columns(columns, formatters)
            names = list(columns)
        else:
            hidden = self._redundant_columns()
            names = [
                name
                for name, formatter in formatters.items()
                if name not in hidden and any(formatter(row).text for row in rows)
            ]
        texts = {"name", "changed", *short_names(self.comparison.settings).values()}
        return Table(
            [Column(name, is_text=name in texts) for name in names],
            [[formatters[name](row) for name in names] for row in rows],
        )

    def to_data_table(self, columns: Sequence[str] = ()) -> Table:
        """Return a table of raw values: all columns of the comparison, or some.

        Args:
            columns: names of columns; a metric stands for its mean and its standard deviation.
        """
        data = self.comparison.rows
        metrics = [str(name).removesuffix("_mean") for name in data if str(name).endswith("_mean")]
        _check_columns(columns, [*map(str, data.columns), *metrics])
        names = [
            column
            for name in columns or map(str, data.columns)
            for column in ([name] if name in data else [f"{name}_mean", f"{name}_std"])
        ]
        rows = [[Cell(str(row[name]), row[name]) for name in names] for row in self._rows()]
        return Table([Column(name) for name in names], rows)

    def _rows(self) -> list[Row]:
        return cast(list[Row], self.comparison.rows.to_dict("records"))

    def _redundant_columns(self) -> set[str]:
        """Return the redundant columns: a row needs its settings or its name, not both."""
        settings = self.comparison.settings
        if self.shows_changes or not settings or set(EXPERIMENT_GROUPS) & set(settings):
            return set(EXPERIMENT_GROUPS)
        return {"name"}

    def _formatters(self) -> dict[str, Callable[[Row], Cell]]:
        """Return a function for each possible column, by name; it formats the cell of a row."""
        metric, settings = self.comparison.metric, self.comparison.settings
        names = short_names(settings)
        formatters: dict[str, Callable[[Row], Cell]] = {"name": partial(_format_text, "name")}
        if self.shows_changes:
            formatters["changed"] = partial(_format_text, "changed")
        else:
            formatters |= {names[path]: partial(_format_setting, path) for path in settings}
        formatters["n"] = partial(_format_text, "n")
        formatters |= {m: partial(self._format_metric, m) for m in (metric, *ACCURACIES)}
        formatters |= {m: partial(_format_difference, m) for m in ("change", "to_baseline")}
        formatters["seconds"] = partial(self._format_cost, "seconds", "{:,.1f}")
        formatters["parameters"] = partial(self._format_cost, "num_parameters", "{:,.0f}")
        return formatters

    def _format_metric(self, metric: str, row: Row) -> Cell:
        mean, std = _number(row, f"{metric}_mean"), _number(row, f"{metric}_std")
        if mean is None:
            return Cell("")
        digits = 4 if abs(mean) < 100 else 0
        deviation = f" ± {std:.{digits}f}" if std is not None else ""
        mark = " ★" if row["best"] and metric == self.comparison.metric else ""
        return Cell(f"{mean:.{digits}f}{deviation}{mark}", mean)

    def _format_cost(self, name: str, pattern: str, row: Row) -> Cell:
        value, ratio = _number(row, name), _number(row, f"{name}_ratio")
        if value is None:
            return Cell("")
        shows_ratio = self.shows_changes and ratio and f"{ratio:.2g}" != "1"
        return Cell(pattern.format(value) + (f" (×{ratio:.2g})" if shows_ratio else ""), value)

    def _print(self, table: Table) -> None:
        from rich.console import Console

        console = Console()
        if self.title:
            console.print(self.title, style="bold", highlight=False)
        if table.columns[0].title == "name":
            table.print_by_name(console, max_rows=MAX_ROWS)
        else:
            table.print(console, max_rows=MAX_ROWS)
        for note in self._notes(table):
            console.print(note, style="dim", highlight=False)

    def _notes(self, table: Table) -> list[str]:
        """Return notes that explain the marks in the table and name the rows and runs left out."""
        metric = self.comparison.metric
        best = f"★ best {metric}"
        if metric.startswith("test"):
            superlative = "lowest" if lower_is_better(metric) else "highest"
            best = f"★ {superlative} {metric}; choose by validation"
        marks = {
            "★": best,
            "≈": f"≈ within the noise: {NOISE_TEST}",
            "?": "? noise unknown: a single seed",
        }
        printed = "".join(cell.text for row in table.cells for cell in row)
        notes = [note for mark, note in marks.items() if mark in printed]
        if len(table.rows) > MAX_ROWS:
            notes.append("--format csv has all rows")
        return [*notes, f"not compared: {self.excluded}"] if self.excluded else notes


def _format_text(name: str, row: Row) -> Cell:
    return Cell(str(row[name]), row[name])


def _format_setting(path: str, row: Row) -> Cell:
    value = row[path]
    if value is None or value != value:
        return Cell("–")
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    is_long = len(text) > MAX_SETTING_LENGTH
    return Cell(f"{text[: MAX_SETTING_LENGTH - 1]}…" if is_long else text, value)


def _format_difference(name: str, row: Row) -> Cell:
    difference, noise = _number(row, name), row.get(f"{name}_within_noise")
    if difference is None:
        return Cell("")
    mark = " ?" if noise is None or noise != noise else " ≈" if noise else ""
    digits = 4 if abs(difference) < 100 else 0
    return Cell(f"{difference:+.{digits}f}{mark}", difference)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return value if isinstance(value, int | float) and value == value else None


def _check_columns(columns: Sequence[str], known: Sequence[str] | Mapping[str, Any]) -> None:
    for name in columns:
        if name not in known:
            raise InputError(
                f"--columns: expected some of {', '.join(known)}. Received: {name!r}."
                f"{did_you_mean(name, known)}"
            )
