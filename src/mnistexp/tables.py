"""Tables for the terminal, Markdown, CSV and JSON, written from the same columns."""

import csv
import io
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

INDENT = 2
"""Columns between two columns of a table, and before a text below a row."""
MIN_NAME_WIDTH = 30
"""A longer text may be folded or shortened to this width, before columns are left out."""
PART_END = re.compile(r"(?<![0-9]e)-")
"""The hyphen between two parts of a name; not that of `1e-05`."""
SETTING_NAME = re.compile(r"^(.{3}).+=")
"""The name of a setting in a part of a name, `units=`, and the letters that are kept of it."""
MAX_HEADING_WIDTH = 16
"""A longer heading of a number column is folded at its spaces."""


@dataclass(frozen=True)
class Column:
    """A column.

    is_text: left-aligned and folded at spaces; else right-aligned, and never folded or shortened.
    drop: the order in which a narrow terminal leaves columns out: the highest first, and of equal
        ones the last. Columns with 0 are always shown.
    num_kept_parts: so many parts at the start of a name, separated by hyphens, are left out last.
    is_below: printed on lines of its own below the row. Its cells are texts.
    """

    title: str
    is_text: bool = False
    drop: int = 0
    num_kept_parts: int = 0
    is_below: bool = False

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

    def print(
        self,
        console: "Console | None" = None,
        *,
        max_rows: int | None = None,
        wide: bool = False,
        hint: str = "--wide shows all",
    ) -> None:
        """Print the table so that it fits the terminal, and no number and no word is broken.

        If the table is too wide, long names are shortened, and listed below the table. If it is
        still too wide, columns are left out as `Column.drop` says, and named below the table.

        Args:
            max_rows: print the first rows only.
            wide: print every column and every name in full, each row on one line.
            hint: how the user gets all columns; follows the names of those that are left out.
        """
        from rich.console import Console

        console = console or Console()
        rows = self.cells[:max_rows]
        layout = self._layout(console, max_rows, wide)
        layout.print(rows, console)
        if len(self.rows) > len(rows):
            console.print(f"… and {len(self.rows) - len(rows)} more rows", style="dim")
        if layout.left_out:
            names = ", ".join(column.heading for column in layout.left_out)
            print_folded(console, f"left out: {names} ({hint})", style="dim")

    def shown(
        self,
        console: "Console | None" = None,
        *,
        max_rows: int | None = None,
        wide: bool = False,
    ) -> "Table":
        """Return the columns and rows that `print` shows with these arguments."""
        from rich.console import Console

        left_out = self._layout(console or Console(), max_rows, wide).left_out
        shown = [index for index, column in enumerate(self.columns) if column not in left_out]
        rows = [[row[index] for index in shown] for row in self.cells[:max_rows]]
        return Table([self.columns[index] for index in shown], rows)

    def _layout(self, console: "Console", max_rows: int | None, wide: bool) -> "_Layout":
        width = sys.maxsize if wide else console.width
        return _Layout(self.columns, self.cells[:max_rows], width)

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


class _Layout:
    """The columns that are shown, and their widths.

    left_out: the columns that have no room.
    """

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
    ) -> None:
        self._columns = columns
        self._width = width
        self._texts = {
            index: [row[index].text for row in rows]
            for index, column in enumerate(columns)
            if not column.is_below
        }
        self._footnotes = _Footnotes()
        self._shared = {index: _shared_parts(self._texts[index]) for index in self._texts}
        shown = list(self._texts)
        while self._room(shown) < 0 and any(columns[index].drop for index in shown):
            shown.remove(max(shown, key=lambda index: (columns[index].drop, index)))
        self._widths = self._widen(shown)
        self.left_out = [columns[index] for index in self._texts if index not in shown]

    def print(self, rows: Sequence[Sequence[Cell]], console: "Console") -> None:
        """Print headings, rows and the names that were shortened."""
        if any(self._columns[index].title for index in self._widths):
            headings = [Cell(column.heading, style="bold") for column in self._columns]
            self._print_line(headings, console, at_bottom=True)
        for row in rows:
            self._print_line(row, console)
            for column, cell in zip(self._columns, row, strict=True):
                if column.is_below and cell.text:
                    print_folded(console, cell.text, indent=INDENT, style=cell.style or "dim")
        for mark, name in self._footnotes.names():
            print_folded(console, name, label=f"{mark} ", style="dim")

    def _print_line(
        self, row: Sequence[Cell], console: "Console", *, at_bottom: bool = False
    ) -> None:
        from rich.text import Text

        folded = {index: self._fold(row[index].text, index) for index in self._widths}
        height = max(map(len, folded.values()))
        if at_bottom:
            folded = {i: [""] * (height - len(lines)) + lines for i, lines in folded.items()}
        for parts in zip_longest(*folded.values(), fillvalue=""):
            line = Text()
            for index, part in zip(folded, parts, strict=True):
                width = self._widths[index]
                is_text = self._columns[index].is_text
                line.append(part.ljust(width) if is_text else part.rjust(width), row[index].style)
                line.append(" " * INDENT)
            line.rstrip()
            console.print(line, soft_wrap=True)

    def _fold(self, text: str, index: int) -> list[str]:
        width = self._widths[index]
        words = [
            word
            if len(word) <= width
            else self._footnotes.shorten(
                word, width, self._shared[index], self._columns[index].num_kept_parts
            )
            for word in text.split(" ")
        ]
        return _fold(" ".join(words), width)

    def _room(self, shown: Sequence[int]) -> int:
        """Return the width that remains if each column is as narrow as possible."""
        return self._width - sum(self._min_width(index) + INDENT for index in shown) + INDENT

    def _min_width(self, index: int) -> int:
        """Return the width below which a text would be shortened or folded too narrowly."""
        longest = max(map(len, self._texts[index]), default=0)
        if self._columns[index].is_text:
            longest = min(longest, MIN_NAME_WIDTH)
        return max(_longest_word(self._columns[index].heading), longest)

    def _max_width(self, index: int) -> int:
        heading = min(len(self._columns[index].heading), MAX_HEADING_WIDTH)
        return max([heading, self._min_width(index), *map(len, self._texts[index])])

    def _widen(self, shown: Sequence[int]) -> dict[int, int]:
        """Give the remaining room to the columns, from left to right."""
        room = max(0, self._room(shown))
        widths = {}
        for index in shown:
            narrow = self._min_width(index)
            widths[index] = min(self._max_width(index), narrow + room)
            room -= widths[index] - narrow
        return widths


@dataclass(frozen=True)
class _Footnotes:
    """Names that were shortened, numbered in the order of their first use."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def shorten(
        self, name: str, width: int, shared: Collection[str] = (), num_kept: int = 0
    ) -> str:
        """Return a name that fits, with its number: `two_layers-sgd…[1]`, `…-uni…=30-…-s0[2]`.

        Args:
            shared: parts, separated by hyphens, of most names of the column: they are left out
                first, then most of the names of settings, then the end.
            num_kept: so many parts at the start are not left out.
        """
        mark = f"[{self._numbers.setdefault(name, len(self._numbers) + 1)}]"
        shown = _leave_out_parts(name, width - len(mark), shared, num_kept)
        if len(shown) + len(mark) > width:
            shown = shown[: width - len(mark) - 1] + "…"
        return shown + mark

    def names(self) -> Iterable[tuple[str, str]]:
        """Return (mark, full name)."""
        return ((f"[{number}]", name) for name, number in self._numbers.items())


def _shared_parts(names: Sequence[str]) -> set[str]:
    """Return the parts, separated by hyphens, that most of several long names have."""
    long_names = {name for name in names if len(name) > MIN_NAME_WIDTH}
    counts = Counter(part for name in long_names for part in set(PART_END.split(name)))
    return {part for part, count in counts.items() if 2 * count > len(long_names) > 1}


def _leave_out_parts(name: str, width: int, shared: Collection[str], num_kept: int) -> str:
    """Leave out shared parts of a name, then most of the names of settings, until it fits."""
    parts = PART_END.split(name)
    if not any(part in shared for part in parts):
        return name
    # The first part, the model or the experiment, remains longest.
    order = sorted(range(len(parts)), key=lambda index: (parts[index] not in shared, index == 0))
    for begin in (r"\1…=", "…="):  # `uni…=30`, then `…=30`.
        for index in (index for index in order if index >= num_kept):
            if len(_join_parts(parts)) <= width:
                return _join_parts(parts)
            is_shared = parts[index] in shared
            parts[index] = "…" if is_shared else SETTING_NAME.sub(begin, parts[index])
    return _join_parts(parts)


def _join_parts(parts: Iterable[str]) -> str:
    """Join by hyphens; parts that are left out in a row become one ellipsis."""
    return re.sub("…(-…)+(?=[-=]|$)", "…", "-".join(parts))


def print_folded(
    console: "Console",
    text: str,
    *,
    label: str = "",
    indent: int = 0,
    style: str = "",
    label_style: str = "",
) -> None:
    """Print a text, folded at spaces, after a label or an indent.

    Lines after the first one start below the text. A word that is too long for such a line is
    printed on a line of its own, in full.
    """
    from rich.text import Text

    label = label or " " * indent
    lines = _fold(text, max(1, console.width - len(label)))
    for number, line in enumerate(lines):
        start = Text(" " * len(label) if number else label, style=label_style or style)
        if len(start) + len(line) > console.width:  # A long word: a path, a command.
            if start.plain.strip():
                console.print(start, soft_wrap=True)
            start = Text()
        console.print(start.append(line, style), soft_wrap=True)


def fold_parts(parts: Sequence[str], width: int) -> str:
    """Join parts of a line by two spaces; start an indented line where one does not fit."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + INDENT + len(part) <= width:
            lines[-1] += " " * INDENT + part
        else:
            lines.append(" " * INDENT + part)
    return "\n".join(lines)


def fit_parts(parts: Sequence[str], width: int) -> str:
    """Join those parts of a line that fit, in their order, by two spaces; leave out the others."""
    return fold_parts(parts, width).partition("\n")[0]


def _fold(text: str, width: int) -> list[str]:
    """Fold a text at its spaces. A longer word gets a line of its own."""
    lines = [
        line
        for paragraph in text.splitlines()
        for line in wrap(paragraph, width, break_long_words=False, break_on_hyphens=False) or [""]
    ]
    return lines or [""]


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _or_none(value: Any) -> Any:
    """Return None for NaN, which JSON does not have."""
    return None if isinstance(value, float) and math.isnan(value) else value
