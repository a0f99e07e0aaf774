"""Write a comparison as a table for the terminal, or as CSV, JSON or Markdown."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from mnistexp.analysis.comparison import Comparison, lower_is_better
from mnistexp.analysis.significance import MAX_SEEDS, NOISE_TEST, POWER
from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.config.run_names import format_value, short_names
from mnistexp.errors import InputError, did_you_mean
from mnistexp.tables import Cell, Column, Table, print_folded

Row = Mapping[str, Any]
ACCURACIES = ("val_accuracy", "test_accuracy")
MAX_ROWS = 60
"""Rows of a table in the terminal."""
LABEL_WIDTH = 10
"""Of the labels above a table."""
DROP_ORDER = {
    "parameters": 6,
    "seconds": 5,
    # 4: the settings that are not needed to tell the rows apart.
    **dict.fromkeys(ACCURACIES, 3),
    **dict.fromkeys(("change", "to_baseline"), 2),
}
"""See `Column.drop`."""


@dataclass(frozen=True)
class ComparisonFormatter:
    """Formats and prints a comparison.

    shows_changes: show what was changed in each row, instead of the settings that differ.
    title: what is compared.
    order: the order of the rows.
    excluded: the number of runs that are not compared, for example `2 failed, 1 running`.
    """

    comparison: Comparison
    shows_changes: bool = False
    title: str = ""
    order: str = ""
    excluded: str = ""

    def write(
        self,
        format_: str = "table",
        columns: Sequence[str] = (),
        *,
        wide: bool = False,
        hint: str = "--wide shows all",
    ) -> None:
        """Print the comparison as `table`, `csv`, `json` or `markdown`.

        Args:
            columns: names of columns, in their order. Default: all that are not empty.
            wide, hint: as of `Table.print`.

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
            self._print(self.to_table(columns), wide, hint)

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
        cells = {name: [formatters[name](row) for row in rows] for name in names}
        return Table(self._columns(cells), list(zip(*cells.values(), strict=True)))

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

    def _columns(self, cells: Mapping[str, Sequence[Cell]]) -> list[Column]:
        """Return the columns. A narrow terminal has room for a name or a setting and the metric."""
        names, settings = list(cells), short_names(self.comparison.settings).values()
        texts = ["name", "changed", *settings]
        separating = _separating_columns({name: cells[name] for name in names if name in texts})
        drop = dict.fromkeys(settings, 4) | dict.fromkeys(["changed", *separating], 1) | DROP_ORDER
        drop |= {names[0]: 0, self.comparison.metric: 0}
        return [
            Column(name, name in texts, drop.get(name, 0), is_below=name == "changed" != names[0])
            for name in names
        ]

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

    def _print(self, table: Table, wide: bool, hint: str) -> None:
        from rich.console import Console

        console = Console()
        shown = table.shown(console, max_rows=MAX_ROWS, wide=wide)
        for label, text in self._legend(shown).items():
            print_folded(console, text, label=f"{label:<{LABEL_WIDTH}}")
        console.print()
        table.print(console, max_rows=MAX_ROWS, wide=wide, hint=hint)
        if len(table.rows) > MAX_ROWS:
            console.print("--format csv has all rows", style="dim", highlight=False)

    def _legend(self, table: Table) -> dict[str, str]:
        """Return what is above the table: what is compared, in which order, and the marks."""
        titles = [column.title for column in table.columns]
        metric, num_seeds = self.comparison.metric, self.comparison.rows["n"].max()
        seeds = ", mean ± standard deviation over n seeds" if num_seeds > 1 else ""
        row = self._reference_row
        lines = {
            "compared": f"{self.title}{seeds}".removeprefix(", "),
            "data": self._data_note,
            "left out": self.excluded,
            "order": self.order,
            "changed": f"settings that differ from the {row}" if "changed" in titles else "",
            "change": f"difference in {metric} to the {row}" if "change" in titles else "",
            "baseline": f"difference in {metric} to it" if "to_baseline" in titles else "",
            "seconds": "median over the seeds" if seeds and "seconds" in titles else "",
            **self._marks(table),
        }
        return {label: text for label, text in lines.items() if text}

    @property
    def _data_note(self) -> str:
        number = self.comparison.num_data_sets
        note = f"{number} data sets; accuracies and losses on different data cannot be compared"
        return note if number > 1 else ""

    @property
    def _reference_row(self) -> str:
        row = "row above" if self.comparison.to_previous else "first row"
        return f"{row} on the same data" if self.comparison.num_data_sets > 1 else row

    def _marks(self, table: Table) -> dict[str, str]:
        """Return the meaning of the marks that the table has."""
        metric = self.comparison.metric
        best = f"best {metric}"
        if metric.startswith("test"):
            superlative = "lowest" if lower_is_better(metric) else "highest"
            best = f"{superlative} {metric}; choose by validation"
        if self.comparison.num_data_sets > 1:
            best += ", of each data set"
        marks = {
            "★": best,
            "≈": f"within the noise: {NOISE_TEST}; the number is how many seeds of each row it "
            f"would take to find such a difference (power {POWER})",
            "?": "noise unknown: a single seed",
            "(×": f"ratio to the {self._reference_row}",
        }
        printed = "".join(cell.text for row in table.cells for cell in row)
        return {mark.lstrip("("): text for mark, text in marks.items() if mark in printed}


def _separating_columns(cells: Mapping[str, Sequence[Cell]]) -> list[str]:
    """Return the fewest first columns that tell apart the rows that all columns tell apart."""
    kept = {name: [cell.text for cell in column] for name, column in cells.items()}
    for name in reversed(list(cells)):
        others = [column for other, column in kept.items() if other != name]
        if len(set(zip(*others, strict=True))) == len(set(zip(*kept.values(), strict=True))):
            del kept[name]
    return list(kept)


def _format_text(name: str, row: Row) -> Cell:
    return Cell(str(row[name]), row[name])


def _format_setting(path: str, row: Row) -> Cell:
    value = row[path]
    if value is None or value != value:
        return Cell("–")
    return Cell(format_value(str(value)), value)


def _format_difference(name: str, row: Row) -> Cell:
    difference, noise = _number(row, name), row.get(f"{name}_within_noise")
    if difference is None:
        return Cell("")
    mark = " ?" if noise is None or noise != noise else _noise_mark(row, name) if noise else ""
    digits = 4 if abs(difference) < 100 else 0
    return Cell(f"{difference:+.{digits}f}{mark}", difference)


def _noise_mark(row: Row, name: str) -> str:
    seeds = _number(row, f"{name}_seeds_needed")
    return f" ≈ {seeds:.0f}" if seeds is not None else f" ≈ >{MAX_SEEDS}"


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
