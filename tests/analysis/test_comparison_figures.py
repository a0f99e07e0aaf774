"""Figures that compare runs, from made-up curves."""

from collections.abc import Mapping, Sequence

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from support import assert_nothing_is_cut, points_of

from mnistexp.analysis.chart_layout import GREY
from mnistexp.analysis.figures import draw_curves, draw_metric_by_parameter
from mnistexp.tracking import Curve


def curve(last: float, num_steps: int = 30) -> Curve:
    return [(10 * n, last * (1 - 0.5**n)) for n in range(1, num_steps + 1)]


def sweep(count: int) -> Mapping[str, Sequence[Curve]]:
    """The curves of a grid, the best first, and with labels of two lines."""
    return {
        f"activation=sigmoid, learning_rate={0.001 * n:g}, units={n}": [curve(0.99 - 0.01 * n)]
        for n in range(count)
    }


def legend(figure: Figure) -> list[str]:
    (found,) = figure.legends
    return [text.get_text().replace("\n", " ") for text in found.get_texts()]


@pytest.mark.parametrize("count", [1, 8, 9, 30])
def test_a_sweep_has_at_most_eight_colors_and_whole_labels(count: int) -> None:
    curves = sweep(count)
    figure = draw_curves("sweep-units (0123abcd)", {"val_accuracy": curves})
    colors = {str(line.get_color()) for line in figure.axes[0].lines}
    assert len(colors - {GREY}) == min(count, 8)
    assert legend(figure)[:8] == list(curves)[:8]
    assert (GREY in colors) == (count > 8)
    if count > 8:
        assert legend(figure)[8].startswith(f"{count - 8} other")
    assert figure.get_suptitle().startswith("sweep-units (0123abcd)")
    assert_nothing_is_cut(figure)


def test_the_axis_fits_the_colored_curves_and_the_legend_counts_those_outside() -> None:
    curves = {f"units={n}": [curve(0.99 - n / 1000)] for n in range(8)}
    curves |= {"units=8": [curve(0.98)], "units=9": [curve(0.3)]}
    figure = draw_curves("a sweep", {"val_accuracy": curves})
    low, high = figure.axes[0].get_ylim()
    assert 0.8 < low < 0.98 < high < 1
    assert legend(figure)[-1] == "2 others, 1 of them outside the axis"
    assert figure.get_suptitle() == "a sweep\noutside the axis: the start of 8 curves"


def test_pruned_trials_are_dotted() -> None:
    pruned = [curve(0.5, 3), curve(0.6, 5)]
    figure = draw_curves("a search", {"val_accuracy": sweep(2)}, {"val_accuracy": pruned})
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert [len(points_of(line)) for line in dotted] == [3, 5]
    assert legend(figure)[-1] == "2 pruned"


def test_seeds_are_averaged_and_a_single_point_is_a_marker() -> None:
    curves = {"a": [[(10, 0.5), (20, 0.7)], [(10, 0.7), (20, 0.9)]], "b": [[(20, 0.8)]]}
    figure = draw_curves("a sweep", {"val_accuracy": curves})
    single, mean = figure.axes[0].lines
    assert single.get_marker() == mean.get_marker() == "o"
    assert [y for _, y in points_of(mean)] == pytest.approx([0.6, 0.8])
    assert legend(figure) == ["a (n=2)", "b"]


def test_a_metric_that_every_run_measured_once_is_shown_with_numbers() -> None:
    curves = {name: [[(50, 0.9), (50, 0.9)], [(50, 0.8), (50, 0.8)]] for name in ("a", "b")}
    figure = draw_curves("a sweep", {"val_accuracy": curves, "val_loss": curves})
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == ["0.8500", "0.8500"]
        assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
        assert "(measured once" in axes.get_xlabel()
        assert {line.get_linestyle() for line in axes.lines} == {"None"}
    assert_nothing_is_cut(figure)


def test_a_loss_that_falls_by_decades_has_a_logarithmic_axis() -> None:
    curves = {"a": [[(step, 2 * 0.9**step) for step in range(1, 60)]]}
    figure = draw_curves("a", {"train_loss": curves})
    assert figure.axes[0].get_yscale() == "log"
    figure.draw_without_rendering()
    assert {"0.01", "0.1", "0.5", "1"} <= {t.get_text() for t in figure.axes[0].get_yticklabels()}
    assert draw_curves("a", {"val_accuracy": curves}).axes[0].get_yscale() == "linear"


def test_each_parameter_has_the_axis_that_fits_it() -> None:
    rates = [1e-4, 1e-3, 1e-2, 3e-2]
    rows = pd.DataFrame(
        {
            "optim.learning_rate": rates,
            "model.layers.hidden1.units": [10, 11, 12, 13],
            "model.activation": ["relu", "sigmoid", "relu", "tanh"],
            "optim.weight_decay": [0.1, 0.2, 0.3, 0.4],
            "val_accuracy_mean": [0.97, 0.98, 0.99, 0.985],
            "val_accuracy_std": [0.001, None, 0.002, 0.001],
            "n": [2, 1, 2, 2],
            "best": [False, False, True, False],
        }
    )
    settings = [str(name) for name in rows][:4]
    figure = draw_metric_by_parameter("sweep (0123abcd)", rows, settings, "val_accuracy")
    rate, units, activation, decay, *rest = figure.axes
    assert [axes.get_xscale() for axes in (rate, units, decay)] == ["log", "linear", "linear"]
    assert ticks(rate) == ["0.0001", "0.001", "0.01", "0.03"]
    assert ticks(units) == ["10", "11", "12", "13"]
    assert ticks(activation) == ["relu", "sigmoid", "tanh"]
    assert not any(axes.axison for axes in rest)
    assert 0.96 < rate.get_ylim()[0] < rate.get_ylim()[1] < 1
    assert "mean ± std" in rate.get_ylabel()
    assert figure.get_suptitle() == "sweep (0123abcd)"
    assert_nothing_is_cut(figure)


def test_error_bars_are_within_the_axis() -> None:
    rows = pd.DataFrame(
        {
            "model": ["softmax", "conv"],
            "val_accuracy_mean": [0.87, 0.88],
            "val_accuracy_std": [0.02, 0.01],
            "n": [2, 2],
            "best": [False, True],
        }
    )
    (axes,) = draw_metric_by_parameter("a sweep", rows, ["model"], "val_accuracy").axes
    low, high = axes.get_ylim()
    assert low < 0.85 < 0.89 < high


def test_a_setting_that_was_sampled_by_decades_has_a_logarithmic_axis() -> None:
    rates = [0.00115, 0.0443, 0.05, 0.6]  # Too few to see how they were sampled.
    rows = pd.DataFrame(
        {"optim.learning_rate": rates, "val_accuracy_mean": [0.6, 0.7, 0.8, 0.9]}
        | {"val_accuracy_std": [None] * 4, "n": [1] * 4, "best": [False] * 4}
    ).astype({"val_accuracy_std": float})
    name = "optim.learning_rate"
    for log_parameters in ((), (name,)):
        figure = draw_metric_by_parameter("s", rows, [name], "val_accuracy", log_parameters)
        assert figure.axes[0].get_xlabel() == name
    assert figure.axes[0].get_xscale() == "log"


def ticks(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]
