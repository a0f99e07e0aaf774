"""Rows of words and figures in a terminal of any width."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

INDENT = 2
Lines = Sequence[Sequence[str]]


def print_in_columns(
    console: "Console", titles: Sequence[str], lines: Lines, words: Sequence[str]
) -> None:
    """Each row in one line, its words folded where they are too long.

    Args:
        words: the titles of columns that are text; the others are figures.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0))
    for title in titles:
        is_text = title in words
        justify = "left" if is_text else "right"
        table.add_column(spaced(title), justify=justify, overflow="fold", no_wrap=not is_text)  # type: ignore[arg-type]
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table)


def print_under_names(
    console: "Console", titles: Sequence[str], lines: Lines, words: Sequence[str]
) -> None:
    """Each row led by its name, with the figures beside it or below, and further words under both.

    Args:
        words: as of `print_in_columns`, the name first.
    """
    from rich.padding import Padding
    from rich.text import Text

    figures = [title for title in titles if title not in words]
    rows = [dict(zip(titles, line, strict=True)) for line in lines]
    widths = {t: max(len(text) for text in (t, *(row[t] for row in rows))) for t in figures}
    room = console.width - sum(width + 2 for width in widths.values())

    def print_row(name: str, cells: Sequence[str], style: str = "") -> None:
        texts = [cell.rjust(w + 2) for cell, w in zip(cells, widths.values(), strict=True)]
        fits = len(name) <= room
        start = name.ljust(max(0, room)) if fits else f"{name}\n{' ' * max(0, room)}"
        console.print(Text(start + "".join(texts), style=style), soft_wrap=True)

    print_row("", [spaced(title) for title in figures], "bold")
    for row in rows:
        print_row(row["name"], [row[title] for title in figures])
        for told in [row[title] for title in words if title != "name" and row[title]]:
            console.print(Padding(Text(told, style="dim"), (0, 0, 0, INDENT)))


def spaced(title: str) -> str:
    """A name as a heading."""
    return title.replace("_", " ")
