"""Colors, labels, ranges and scales of charts, from made-up values."""

import pytest

from mnistexp.analysis.chart_layout import (
    GREY,
    central_values,
    is_log_scaled,
    line_colors,
    metric_range,
    value_axis,
    wrap_label,
)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 60])
def test_at_most_eight_lines_have_distinct_colors_and_the_rest_is_grey(count: int) -> None:
    colors = line_colors(count)
    assert len(colors) == count
    assert len(set(colors[:8])) == min(count, 8)
    assert set(colors[8:]) <= {GREY}
    assert GREY not in colors[:8]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0001, 0.001, 0.01, 0.03], True),
        ([0.001, 0.01], True),
        ([16, 32, 64, 128, 256], True),
        ([10, 50, 100, 150, 200], False),
        ([0.1, 0.2, 0.3], False),
        ([0.0, 0.001, 0.1], False),
        ([-1.0, 100.0], False),
        ([5.0, 5.0], False),
        ([], False),
    ],
)
def test_values_that_are_spread_over_decades_have_a_logarithmic_axis(
    values: list[float], expected: bool
) -> None:
    assert is_log_scaled(values) is expected


def test_whole_numbers_have_no_fractions() -> None:
    axis = value_axis("hidden_units", [*range(10, 21), 25])
    assert axis.title == "hidden_units"
    assert axis.ticks
    assert all(position.is_integer() for position in axis.ticks)
    assert not any("." in text for text in axis.ticks.values())


def test_the_values_of_a_grid_are_its_ticks() -> None:
    axis = value_axis("rate", [0.01, 0.001, 0.1, 0.01])
    assert axis.is_log
    assert axis.ticks == {0.001: "0.001", 0.01: "0.01", 0.1: "0.1"}


def test_texts_and_missing_values_are_at_equal_distances() -> None:
    axis = value_axis("activation", ["relu", None, True, "relu"])
    assert axis.positions == [0, 1, 2, 0]
    assert axis.ticks == {0: "relu", 1: "none", 2: "True"}


def test_ticks_that_would_touch_are_replaced() -> None:
    axis = value_axis("units", [100, 101, 102, 2000], is_log=False)
    assert set(axis.ticks) & {101, 102} == set()


def test_sampled_and_measured_values_have_round_ticks_one_two_or_five_apart() -> None:
    assert list(value_axis("s", [6.33034, 8.72929, 17.6542]).ticks.values()) == [
        *("8", "10", "12", "14", "16")
    ]
    rates = value_axis("rate", [0.00114989, 0.0443038, 0.6], is_log=True)
    assert list(rates.ticks.values()) == ["0.01", "0.1"]
    narrow = value_axis("rate", [0.0112345, 0.0198765], is_log=True)
    assert list(narrow.ticks.values()) == ["0.012", "0.014", "0.016", "0.018"]


def test_an_axis_fits_where_long_curves_lead() -> None:
    start = [(1, 0.1), (2, 0.5)]
    settled = [(step, 0.97 + 0.02 * step / 1000) for step in range(100, 1001, 10)]
    low, high = metric_range([start + settled]) or (0, 0)
    assert 0.96 < low < 0.972
    assert 0.99 < high < 1


def test_an_axis_shows_short_curves_whole_and_ignores_infinite_values() -> None:
    low, high = metric_range([[(1, 0.1), (2, 0.9), (3, float("inf"))]]) or (0, 0)
    assert low < 0.1 < 0.9 < high < 1
    assert metric_range([[(1, float("nan"))]]) is None
    low, high = metric_range([[(1, 0.5)]]) or (0, 0)
    assert low < 0.5 < high


def test_only_values_far_from_most_others_are_not_central() -> None:
    values = [0.98 + n / 1000 for n in range(12)]
    assert central_values([0.1, *values, float("nan")]) == values
    assert central_values([0.1, 0.9]) == [0.1, 0.9]


def test_a_long_label_is_broken_and_not_cut() -> None:
    label = "activation=relu, units=185, learning_rate=0.005172, kernel_size=5"
    lines = wrap_label(label, "<br>").split("<br>")
    assert " ".join(lines) == label
    assert len(lines) == 2
