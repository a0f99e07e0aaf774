"""Tables in the terminal, as Markdown, CSV and JSON."""

import csv
import io
import json
import re

import pytest
from rich.console import Console

from mnistexp.tables import Cell, Column, Table, fit_parts, fold_parts, print_folded

TABLE = Table(
    [Column("model", is_text=True), Column("test_accuracy"), Column("parameters")],
    [
        ["conv|big", Cell("0.9912 ± 0.0004 ★", 0.99123), Cell("159,010", 159010)],
        ["softmax", Cell("", float("nan")), Cell("7,850", 7850)],
    ],
)


def printed(table: Table, width: int, *, wide: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    table.print(console, wide=wide)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_numbers_are_right_aligned_and_texts_left_aligned() -> None:
    assert [line.rstrip() for line in printed(TABLE, 80).splitlines()] == [
        "model         test accuracy  parameters",
        "conv|big  0.9912 ± 0.0004 ★     159,010",
        "softmax                           7,850",
    ]


@pytest.mark.parametrize("width", [80, 40, 20])
def test_no_number_is_broken_in_a_narrow_terminal(width: int) -> None:
    text = printed(TABLE, width)
    assert "0.9912 ± 0.0004 ★" in text
    assert re.search(r"\b159,010\b", text)
    assert "…" not in text


def test_a_long_text_is_folded() -> None:
    table = Table([Column("path", is_text=True), Column("n")], [["long " * 30, "1"]])
    lines = printed(table, 40).splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert "".join(lines).count("long") == 30


NAMES = [f"five_layers-adam_decay-learning_rate=0.01-batch_size={size}" for size in (32, 100)]
WIDE = Table(
    [
        Column("run_name", is_text=True),
        Column("val_accuracy"),
        *(Column(f"metric_{number}", drop=number) for number in range(1, 9)),
        Column("changed", is_text=True, is_below=True),
    ],
    [[name, "0.9912 ± 0.0004", *["123,456.7"] * 8, f"batch_size {name[-3:]}"] for name in NAMES],
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_shows_fewer_columns_and_says_which(width: int) -> None:
    text = printed(WIDE, width)
    assert max(map(len, text.splitlines())) <= width
    shown = [
        number for number in range(1, 9) if f"metric {number}" in text.partition("left out")[0]
    ]
    left_out = [number for number in range(1, 9) if number not in shown]
    assert shown == list(range(1, len(shown) + 1))
    note = " ".join(text[text.index("left out") :].split())
    assert note == f"left out: {', '.join(f'metric {n}' for n in left_out)} (--wide shows all)"
    assert text.count("0.9912 ± 0.0004") == 2
    assert text.count("123,456.7") == 2 * len(shown)


def test_a_long_name_is_shortened_and_listed_below_the_table() -> None:
    lines = printed(WIDE, 60).splitlines()
    rows = [line for line in lines if "0.9912 ± 0.0004" in line]
    for number, (name, row) in enumerate(zip(NAMES, rows, strict=True), start=1):
        short = row.split()[0]
        assert short.endswith(f"[{number}]")
        assert name.startswith(short.partition("…")[0])
        assert name.rpartition("=")[2] in short
        assert f"[{number}] {name}" in lines


def test_shortened_names_keep_the_parts_that_differ() -> None:
    names = [
        f"two_layers-adam-units={units}-learning_rate={rate}-activation={name}-s0"
        for units, rate, name in [
            (119, 0.002694, "relu"),
            (96, 0.001958, "tanh"),
            (9, 3e-05, "elu"),
        ]
    ]
    table = Table([Column("name", is_text=True), Column("id")], [[n, "a" * 20] for n in names])
    shown = [line.split()[0] for line in printed(table, 56).splitlines() if "aaaa" in line]
    assert shown == [
        "…=119-lea…=0.002694-act…=relu-…[1]",
        "…=96-lea…=0.001958-act…=tanh-…[2]",
        "…-uni…=9-lea…=3e-05-act…=elu-…[3]",
    ]


def test_a_shortened_name_keeps_as_many_parts_at_its_start_as_the_column_says() -> None:
    names = [f"two_layers-adam-steps={steps}00-units=123456-s0" for steps in (1, 2, 3)]
    columns = [Column("name", is_text=True, num_kept_parts=2), Column("id")]
    table = Table(columns, [[name, "a" * 20] for name in names])
    shown = [line.split()[0] for line in printed(table, 52).splitlines() if "aaaa" in line]
    assert shown == [f"two_layers-adam-steps={n}00-…[{n}]" for n in (1, 2, 3)]


def test_wide_shows_everything_with_each_row_on_one_line() -> None:
    lines = printed(WIDE, 40, wide=True).splitlines()
    assert len(lines) == 1 + 2 * 2
    for name in NAMES:
        (row,) = [line for line in lines if line.startswith(name)]
        assert row.count("123,456.7") == 8
        assert lines[lines.index(row) + 1] == f"  batch_size {name[-3:]}"


def test_a_path_that_is_longer_than_a_line_is_not_broken() -> None:
    console = Console(file=io.StringIO(), width=40)
    path = "/home/" + "a" * 30
    print_folded(console, f"expected a file. Received: {path}", label="problem   data  ")
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("problem   data  expected a file.")
    assert path in lines


def test_parts_of_a_line_move_to_the_next_line_or_are_left_out() -> None:
    parts = ["✓ 1/2 two_layers", "val_accuracy 0.9912", "4.6 s"]
    assert fold_parts(parts, 80) == "✓ 1/2 two_layers  val_accuracy 0.9912  4.6 s"
    assert fold_parts(parts, 40) == "✓ 1/2 two_layers  val_accuracy 0.9912\n  4.6 s"
    assert fit_parts(parts, 40) == "✓ 1/2 two_layers  val_accuracy 0.9912"


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
