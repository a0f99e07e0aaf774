"""Tables in the terminal, as Markdown, CSV and JSON."""

import csv
import io
import json
import re

import pytest
from rich.console import Console

from mnistexp.tables import Cell, Column, Table

TABLE = Table(
    [Column("model", is_text=True), Column("test_accuracy"), Column("parameters")],
    [
        ["conv|big", Cell("0.9912 ± 0.0004 ★", 0.99123), Cell("159,010", 159010)],
        ["softmax", Cell("", float("nan")), Cell("7,850", 7850)],
    ],
)


def printed(table: Table, width: int, *, by_name: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    if by_name:
        table.print_by_name(console)
    else:
        table.print(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_numbers_are_right_aligned_and_texts_left_aligned() -> None:
    assert [line.rstrip() for line in printed(TABLE, 80).splitlines()] == [
        "model        test accuracy parameters",
        "conv|big 0.9912 ± 0.0004 ★    159,010",
        "softmax                         7,850",
    ]


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("width", [80, 40, 20])
def test_no_number_is_broken_in_a_narrow_terminal(width: int, by_name: bool) -> None:
    text = printed(TABLE, width, by_name=by_name)
    assert "0.9912 ± 0.0004 ★" in text
    assert re.search(r"\b159,010\b", text)
    assert "…" not in text


def test_a_long_text_is_folded() -> None:
    table = Table([Column("path", is_text=True), Column("n")], [["long " * 30, "1"]])
    lines = printed(table, 40).splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert "".join(lines).count("long") == 30


def test_only_the_first_rows_are_printed_with_the_number_of_the_others() -> None:
    console = Console(file=io.StringIO(), width=80)
    TABLE.print(console, max_rows=1)
    assert isinstance(console.file, io.StringIO)
    assert "softmax" not in console.file.getvalue()
    assert "… and 1 more rows" in console.file.getvalue()


def test_markdown_has_the_texts_and_the_alignment() -> None:
    assert TABLE.to_markdown().splitlines() == [
        "| model | test_accuracy | parameters |",
        "| --- | ---: | ---: |",
        "| conv¦big | 0.9912 ± 0.0004 ★ | 159,010 |",
        "| softmax |  | 7,850 |",
    ]


def test_csv_and_json_have_the_raw_values() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert rows[0] == {"model": "conv|big", "test_accuracy": "0.99123", "parameters": "159010"}
    assert rows[1]["test_accuracy"] == ""
    assert json.loads(TABLE.to_json())[1] == {
        "model": "softmax",
        "test_accuracy": None,
        "parameters": 7850,
    }
