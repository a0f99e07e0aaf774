"""How a comparison of made-up seed groups is written."""

import io
import json

import pandas as pd
import pytest
from support import seed_group

from mnistexp.analysis.comparison import compare
from mnistexp.analysis.comparison_format import ComparisonFormatter
from mnistexp.errors import InputError

SGD = seed_group([0.90, 0.91, 0.92], optim="sgd")
ADAM = seed_group([0.905, 0.915, 0.925], **{"optim": "adam", "optim.name": "x" * 40})
RMSPROP = seed_group([0.8], optim="rmsprop")
COMPARISON = compare([SGD, ADAM, RMSPROP])


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def texts(formatter: ComparisonFormatter, *columns: str) -> list[list[str]]:
    return [[cell.text for cell in row] for row in formatter.to_table(columns).cells]


def test_a_row_has_mean_standard_deviation_and_difference() -> None:
    columns = ["optim", "n", "test_accuracy", "change"]
    assert texts(ComparisonFormatter(COMPARISON), *columns) == [
        ["sgd", "3", "0.9100 ± 0.0100", ""],
        ["adam", "3", "0.9150 ± 0.0100 ★", "+0.0050 ≈ 64"],
        ["rmsprop", "1", "0.8000", "-0.1100 ?"],
    ]


def test_several_data_sets_are_said_to_be_incomparable(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [seed_group([0.9], **{"data.name": name}) for name in ("mnist", "clothes")]
    ComparisonFormatter(compare(groups)).write()
    assert "2 data sets; accuracies and losses on different data cannot" in capsys.readouterr().out
    ComparisonFormatter(compare([SGD, ADAM])).write()
    assert "data sets" not in capsys.readouterr().out


def test_empty_columns_and_the_name_that_settings_explain_are_left_out() -> None:
    columns = ComparisonFormatter(COMPARISON).to_table().columns
    assert [column.title for column in columns] == ["optim", "n", "test_accuracy", "change"]


def test_a_progression_shows_what_changed_instead_of_the_settings() -> None:
    first = seed_group([0.9], **{"optim.learning_rate": 0.1})
    second = seed_group([0.9], **{"optim.learning_rate": 0.2})
    formatter = ComparisonFormatter(compare([first, second]), shows_changes=True)
    titles = [column.title for column in formatter.to_table().columns]
    assert titles[:2] == ["name", "changed"]
    assert texts(formatter, "changed") == [[""], ["optim.learning_rate 0.1 → 0.2"]]


def test_csv_has_all_columns_with_raw_values(capsys: pytest.CaptureFixture[str]) -> None:
    ComparisonFormatter(COMPARISON).write("csv")
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(table) == [str(name) for name in COMPARISON.rows]
    assert table["test_accuracy_mean"].tolist() == COMPARISON.rows["test_accuracy_mean"].tolist()


def test_a_metric_among_the_columns_of_csv_stands_for_mean_and_standard_deviation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ComparisonFormatter(COMPARISON).write("csv", ["n", "test_accuracy"])
    assert capsys.readouterr().out.splitlines()[0] == "n,test_accuracy_mean,test_accuracy_std"


def test_json_has_null_for_unknown_values(capsys: pytest.CaptureFixture[str]) -> None:
    ComparisonFormatter(COMPARISON).write("json")
    rows = json.loads(capsys.readouterr().out)
    assert rows[2]["test_accuracy_std"] is None
    assert rows[2]["change_within_noise"] is None
    assert rows[1]["change_within_noise"] is True


def test_markdown_has_the_rows_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    ComparisonFormatter(COMPARISON).write("markdown", ["optim", "n"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "| optim | n |",
        "| --- | ---: |",
        "| sgd | 3 |",
        "| adam | 3 |",
        "| rmsprop | 1 |",
    ]


def test_the_text_above_the_table_says_what_is_compared_and_explains_the_marks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ComparisonFormatter(
        COMPARISON, title="optimizers", order="by name", excluded="2 failed"
    ).write()
    assert capsys.readouterr().out.partition("\n\n")[0].splitlines() == [
        "compared  optimizers, mean ± standard deviation over n seeds",
        "left out  2 failed",
        "order     by name",
        "change    difference in test_accuracy to the first row",
        "★         highest test_accuracy; choose by validation",
        "≈         within the noise: Welch's t-test over the seeds, two-sided, p ≥ 0.05; the "
        "number is how",
        "          many seeds of each row it would take to find such a difference (power 0.8)",
        "?         noise unknown: a single seed",
    ]


def test_the_terminal_does_not_explain_marks_that_it_does_not_show(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ComparisonFormatter(compare([SGD])).write()
    out = capsys.readouterr().out
    assert not set("★≈?") & set(out)
    assert "left out" not in out


@pytest.mark.parametrize("format_", ["table", "csv", "json", "markdown"])
def test_an_unknown_column_is_reported_with_the_nearest_name(format_: str) -> None:
    with pytest.raises(InputError, match=r"--columns: .*Received: 'chnge'. Did you mean change"):
        ComparisonFormatter(COMPARISON).write(format_, ["chnge"])


def test_a_narrow_terminal_keeps_what_tells_rows_apart_and_explains_what_it_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = [
        seed_group([0.9], **{"optim.rate": rate, "data.batches": rate, "train.steps": steps})
        for rate, steps in [(0.1, 10), (0.1, 20), (0.2, 10)]
    ]
    for columns, change_is_shown in (("42", True), ("30", False)):
        monkeypatch.setenv("COLUMNS", columns)
        ComparisonFormatter(compare(groups)).write()
        legend, _, table = capsys.readouterr().out.partition("\n\n")
        table, _, left_out = table.partition("left out: ")
        assert "steps" in table
        assert "batches" in left_out
        assert ("change" in table, "change" in legend, "?" in legend) == (change_is_shown,) * 3
