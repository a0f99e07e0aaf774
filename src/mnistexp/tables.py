"""Tables for the terminal, Markdown, CSV and JSON, written from the same columns."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

INDENT = 2
MAX_HEADING_WIDTH = 16
"""Longer headings of number columns are folded."""


@dataclass(frozen=True)
class Column:
    """A column. is_text: left-aligned and folded where it is too long; else right-aligned."""

    title: str
    is_text: bool = False

    @property
    def heading(self) -> str:
        """The title for people: `test accuracy` for `test_accuracy`."""
        return self.title.replace("_", " ")


@dataclass(frozen=True)
class Cell:
    """A cell: its formatted text, its raw value for CSV and JSON, and a style of rich."""

    text: str
    value: Any = None
    style: str = ""


@dataclass(frozen=True)
class Table:
    """Columns and rows. A cell that is a str is both the text and the raw value."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell | str]]

    @property
    def cells(self) -> list[list[Cell]]:
        """All rows, with a Cell for each text."""
        return [
            [cell if isinstance(cell, Cell) else Cell(cell, cell) for cell in row]
            for row in self.rows
        ]

    def print(self, console: "Console | None" = None, *, max_rows: int | None = None) -> None:
        """Print each row on a line; fold text, never numbers."""
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        has_titles = any(column.title for column in self.columns)
        table = RichTable(box=None, padding=(0, 1, 0, 0), show_header=has_titles)
        for column in self.columns:
            if column.is_text:
                table.add_column(column.heading, overflow="fold")
            else:
                width = self._width_of_numbers(column)
                table.add_column(column.heading, justify="right", min_width=width, max_width=width)
        for row in self.cells[:max_rows]:
            table.add_row(*(Text(cell.text, style=cell.style) for cell in row))
        console = console or Console()
        _print_wide(table, console)
        if max_rows is not None and len(self.rows) > max_rows:
            console.print(f"… and {len(self.rows) - max_rows} more rows", style="dim")

    def print_by_name(self, console: "Console", *, max_rows: int | None = None) -> None:
        """Print the first column as a heading of each row, numbers beside it, texts below it.

        Numbers move to a line of their own where the name leaves no room for them.
        """
        from rich.padding import Padding
        from rich.text import Text

        rows = self.cells[:max_rows]
        numbers = [index for index, column in enumerate(self.columns) if not column.is_text]
        widths = {
            index: max(len(self.columns[index].title), *(len(row[index].text) for row in rows))
            for index in numbers
        }
        room = max(0, console.width - sum(width + INDENT for width in widths.values()))

        def print_line(name: str, texts: Sequence[str], style: str = "") -> None:
            cells = "".join(
                text.rjust(width + INDENT)
                for text, width in zip(texts, widths.values(), strict=True)
            )
            start = name.ljust(room) if len(name) <= room else f"{name}\n{' ' * room}"
            console.print(Text(start + cells, style=style), soft_wrap=True)

        print_line("", [self.columns[index].heading for index in numbers], "bold")
        for row in rows:
            print_line(row[0].text, [row[index].text for index in numbers])
            for index, cell in enumerate(row):
                if index and index not in numbers and cell.text:
                    console.print(Padding(Text(cell.text, style="dim"), (0, 0, 0, INDENT)))

    def to_markdown(self) -> str:
        """Return the table in Markdown, without a line break at its end."""
        rules = ["---" if column.is_text else "---:" for column in self.columns]
        rows = [[cell.text.replace("|", "¦") for cell in row] for row in self.cells]
        lines = [[column.title for column in self.columns], rules, *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_csv(self) -> str:
        """Return the raw values as CSV with a header; a missing value is empty."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([column.title for column in self.columns])
        writer.writerows([_or_none(cell.value) for cell in row] for row in self.cells)
        return stream.getvalue()

    def to_json(self) -> str:
        """Return the raw values as a JSON list with an object for each row."""
        titles = [column.title for column in self.columns]
        rows = [
            dict(zip(titles, (_or_none(cell.value) for cell in row), strict=True))
            for row in self.cells
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"

    def _width_of_numbers(self, column: Column) -> int:
        index = list(self.columns).index(column)
        longest_word = max(map(len, column.heading.split()), default=0)
        heading = min(len(column.title), max(MAX_HEADING_WIDTH, longest_word))
        return max([heading, *(len(row[index].text) for row in self.cells)])


def _print_wide(table: "RichTable", console: "Console") -> None:
    """Print a table. If its numbers are wider than the terminal, lines wrap.

    Without this, Rich would cut the numbers.
    """
    width = console.width
    console.width = max(width, console.measure(table).minimum)
    console.print(table, crop=False)
    console.width = width


def _or_none(value: Any) -> Any:
    """Return None for NaN, which JSON does not have."""
    return None if isinstance(value, float) and math.isnan(value) else value
