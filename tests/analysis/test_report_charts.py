"""Charts of a report, from made-up runs."""

import pandas as pd
from support import table_of_runs

from mnistexp.analysis.chart_layout import GREY
from mnistexp.analysis.report.charts import draw_costs, draw_curves, draw_parallel_coordinates
from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed


def groups_of(count: int) -> list[SeedGroup]:
    """Groups of one run each, the best first; the accuracy of the last one is very low."""
    return group_by_seed(
        table_of_runs(
            [
                {
                    "seed": 0,
                    "optim.learning_rate": 0.1 / 2**n,
                    "model.layers.hidden1.units": 100 + n,
                    "val_accuracy": 0.99 - n / 1000 if n < count - 1 else 0.1,
                    "seconds": 10.0 + n,
                    "num_parameters": 1000 * 2**n,
                }
                for n in range(count)
            ]
        )
    )


def history_of(groups: list[SeedGroup], num_steps: int = 30) -> pd.DataFrame:
    rows = [
        (run_id, metric, step, accuracy * (1 - 0.5**step))
        for group in groups
        for run_id, accuracy in zip(group.runs["run_id"], group.runs["val_accuracy"], strict=True)
        for metric in ("val_accuracy", "train_loss")
        for step in range(1, num_steps + 1)
    ]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def test_curves_have_eight_colors_and_labels_that_say_what_differs() -> None:
    groups = groups_of(12)
    figure = draw_curves(groups, history_of(groups))
    assert figure is not None
    shown = [trace for trace in figure.data if trace.visible]
    assert len({trace.line.color for trace in shown} - {GREY}) == 8
    names = [trace.name for trace in shown if trace.showlegend]
    assert names[0] == "learning_rate=0.1, units=100"
    assert names[8:] == ["4 others"]
    assert figure.layout.legend.y < 0  # Below the axes.
    low, high = figure.layout.yaxis.range
    assert 0.8 < low < high < 1


def test_metrics_that_were_measured_once_have_no_empty_chart() -> None:
    groups = groups_of(3)
    history = history_of(groups, num_steps=1)
    assert draw_curves(groups, history) is None
    some = pd.concat([history, history_of(groups[:1])]).drop_duplicates()
    figure = draw_curves(groups, some[some["metric"] == "val_accuracy"])
    assert figure is not None
    assert {trace.mode for trace in figure.data if len(trace.x) == 1} == {"lines+markers"}


def test_costs_leave_a_value_far_from_all_others_outside() -> None:
    for figure in draw_costs(groups_of(12), "val_accuracy"):
        assert figure.layout.yaxis.range[0] > 0.9
    for figure in draw_costs(groups_of(3), "val_accuracy"):
        assert figure.layout.yaxis.range[0] < 0.1


def test_a_number_of_parameters_that_all_runs_share_is_not_drawn() -> None:
    groups = groups_of(3)
    for group in groups:
        group.runs["num_parameters"] = 7850.0
    (seconds,) = draw_costs(groups, "val_accuracy")
    assert seconds.layout.xaxis.title.text == "seconds"
    labels = [
        axis.label for axis in draw_parallel_coordinates(groups, "val_accuracy").data[0].dimensions
    ]
    assert "parameters" not in labels


def test_parallel_coordinates_have_numbers_and_logarithmic_axes() -> None:
    figure = draw_parallel_coordinates(groups_of(12), "val_accuracy")
    axes = {axis.label: axis for axis in figure.data[0].dimensions}
    assert list(axes) == ["learning_rate", "units", "seconds", "parameters", "val accuracy"]
    assert list(axes["units"].values) == [100.0 + n for n in range(12)]
    assert axes["learning_rate"].values[0] == -1  # The logarithm of 0.1.
    assert "0.1" in axes["learning_rate"].ticktext
    assert not any("." in text for text in axes["units"].ticktext)
    # The darkest line is the best; the palest is grey, so all are readable on white.
    assert figure.data[0].line.colorscale[0][1] != "#ffffff"
