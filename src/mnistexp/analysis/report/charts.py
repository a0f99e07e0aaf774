"""Interactive charts of a report, drawn by Plotly."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.chart_layout import (
    FEW_POINTS,
    GREY,
    WORST_TO_BEST,
    central_values,
    has_line,
    is_log_scaled,
    line_colors,
    metric_range,
    readable,
    value_axis,
    wrap_label,
)
from mnistexp.analysis.comparison import lower_is_better
from mnistexp.analysis.seed_groups import CURVE_METRICS, SeedGroup, curves_by_run
from mnistexp.analysis.setting_differences import differing_settings, label_groups
from mnistexp.config.run_names import short_names
from mnistexp.tracking import Curve

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

MAX_POINTS = 400
"""Points of a curve. A screen cannot show more."""
COST_TITLES = {"seconds": "seconds", "num_parameters": "parameters"}
PLOT_HEIGHT = 420
LEGEND_ROW_HEIGHT = 19
"""Pixels."""


def draw_curves(groups: Sequence[SeedGroup], history: "pandas.DataFrame") -> "Figure | None":
    """Draw each metric over the steps, a line for each seed; a menu selects the metric.

    A click on a name of the legend hides or shows the seeds of a group.

    Args:
        groups: the best first. The first eight have colors, the others are grey.
        history: a table of `load_history`.

    Returns:
        None if every metric was measured once, so that there are no lines.
    """
    from plotly.graph_objects import Figure, Scatter

    known = curves_by_run(history)
    measured = [metric for metric in CURVE_METRICS if metric in known]
    curves = {m: known[m] for m in measured if any(map(has_line, known[m].values()))}
    if not curves:
        return None
    names, colors = _legend_of(groups)
    figure = Figure()
    metric_of_trace: list[str] = []
    for metric, found in curves.items():
        named: set[str] = set()
        for group, name, color in zip(groups, names, colors, strict=True):
            for curve in _curves_of(group, found):
                steps, values = zip(*_thinned(curve), strict=True)
                figure.add_trace(
                    Scatter(
                        x=steps,
                        y=values,
                        mode="lines" if len(curve) >= FEW_POINTS else "lines+markers",
                        name=name,
                        legendgroup=name,
                        showlegend=name not in named,
                        visible=not metric_of_trace or metric == metric_of_trace[0],
                        line={"color": color, "width": 1.5},
                    )
                )
                metric_of_trace.append(metric)
                named.add(name)
    axis_of_metric = {
        metric: _metric_axis(metric, _colored(groups, colors, found))
        for metric, found in curves.items()
    }
    menu = _metric_menu(axis_of_metric, metric_of_trace)
    _set_layout(figure, names)
    figure.update_layout({"xaxis.title.text": "step", "updatemenus": [menu], "margin.t": 60})
    figure.update_layout(axis_of_metric[metric_of_trace[0]])
    return figure


def _metric_menu(
    axis_of_metric: Mapping[str, dict[str, Any]], metric_of_trace: Sequence[str]
) -> dict[str, Any]:
    """Return Plotly's menu that shows the lines and the axis of one metric."""
    buttons = [
        {
            "label": readable(metric),
            "method": "update",
            "args": [{"visible": [metric == other for other in metric_of_trace]}, axis],
        }
        for metric, axis in axis_of_metric.items()
    ]
    return {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.16, "type": "dropdown"}


def draw_costs(groups: Sequence[SeedGroup], metric: str) -> "list[Figure]":
    """Draw the metric against time and against the number of parameters, a point for each seed.

    The number of parameters is left out if all have the same.
    """
    costs = [cost for cost in COST_TITLES if cost == "seconds" or _is_different(groups, cost)]
    return [_draw_cost(groups, metric, cost) for cost in costs]


def _draw_cost(groups: Sequence[SeedGroup], metric: str, cost: str) -> "Figure":
    from plotly.graph_objects import Figure, Scatter

    names, colors = _legend_of(groups)
    named: set[str] = set()
    figure = Figure()
    for group, name, color in zip(groups, names, colors, strict=True):
        known = group.runs[[cost, metric, "name"]].dropna()
        figure.add_trace(
            Scatter(
                x=known[cost],
                y=known[metric],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                marker={"color": color, "size": 9},
                text=known["name"],
            )
        )
        named.add(name)
    # Plotly would label each digit of a logarithmic axis, `0.5 0.6 0.7 0.8 0.9`.
    all_costs = [value for group in groups for value in group.values(cost)]
    ticks = value_axis(COST_TITLES[cost], all_costs, is_log=True).ticks
    figure.update_xaxes(
        type="log", title=COST_TITLES[cost], tickvals=[*ticks], ticktext=[*ticks.values()]
    )
    _set_layout(figure, names)
    values = [value for group in groups for value in group.values(metric)]
    figure.update_layout(_metric_axis(metric, [[(0, value)] for value in central_values(values)]))
    return figure


def draw_parallel_coordinates(groups: Sequence[SeedGroup], metric: str) -> "Figure":
    """Draw each run as a line through its settings and metrics; dragging on an axis filters."""
    import pandas
    from plotly.graph_objects import Figure, Parcoords

    settings = differing_settings(groups)
    titles = short_names(settings)
    runs = pandas.concat([group.runs for group in groups])
    chosen = {
        name: [group.settings.get(name) for group in groups for _ in range(len(group.runs))]
        for name in settings
    }
    axes = [_parallel_axis(titles[name], values) for name, values in chosen.items()]
    axes += [
        _parallel_axis(title, runs[cost].tolist())
        for cost, title in COST_TITLES.items()
        if _is_different(groups, cost)
    ]
    axes.append(_parallel_axis(readable(metric), runs[metric].tolist(), is_log=False))
    central = central_values(runs[metric].tolist())
    low, high = metric_range([[(0, value)] for value in central]) or (0.0, 1.0)
    line = {
        "color": runs[metric].tolist(),
        "colorscale": WORST_TO_BEST,
        "reversescale": lower_is_better(metric),
        "cmin": low,
        "cmax": high,
        "showscale": False,  # The last axis shows the same values.
    }
    figure = Figure(Parcoords(dimensions=axes, line=line))
    figure.update_layout(height=PLOT_HEIGHT, margin={"l": 80, "r": 40, "t": 85, "b": 30})
    return figure


def _is_different(groups: Sequence[SeedGroup], cost: str) -> bool:
    return len({value for group in groups for value in group.values(cost)}) > 1


def _parallel_axis(
    title: str, values: Sequence[Any], is_log: bool | None = None
) -> Mapping[str, Any]:
    axis = value_axis(title, values, is_log)
    # Plotly's parallel coordinates have no logarithmic axes.
    scale = math.log10 if axis.is_log else float
    ticks = {"tickvals": [scale(tick) for tick in axis.ticks], "ticktext": [*axis.ticks.values()]}
    return {"label": axis.title, "values": [scale(value) for value in axis.positions], **ticks}


def _legend_of(groups: Sequence[SeedGroup]) -> tuple[list[str], list[str]]:
    """Return the name of each group in the legend and its color; grey groups share a name."""
    colors = line_colors(len(groups))
    num_grey = colors.count(GREY)
    names = [
        f"{num_grey} other{'s' if num_grey > 1 else ''}"
        if color == GREY
        else wrap_label(label, "<br>")
        for label, color in zip(label_groups(groups), colors, strict=True)
    ]
    return names, colors


def _curves_of(group: SeedGroup, found: Mapping[str, Curve]) -> list[Curve]:
    return [found[run_id] for run_id in group.runs["run_id"] if run_id in found]


def _colored(
    groups: Sequence[SeedGroup], colors: Sequence[str], found: Mapping[str, Curve]
) -> list[Curve]:
    """Return the curves that are not grey. The axis fits them."""
    pairs = zip(groups, colors, strict=True)
    return [curve for group, color in pairs if color != GREY for curve in _curves_of(group, found)]


def _thinned(curve: Curve) -> Curve:
    interval = max(1, len(curve) // MAX_POINTS)
    return curve[(len(curve) - 1) % interval :: interval]  # The last value is kept.


def _metric_axis(metric: str, curves: Sequence[Curve]) -> dict[str, Any]:
    """Return the settings of the axis of a metric, which fits the curves."""
    is_log = metric.endswith("loss") and is_log_scaled([v for curve in curves for _, v in curve])
    limits = None if is_log else metric_range(curves)
    return {
        "yaxis.title.text": readable(metric),
        "yaxis.type": "log" if is_log else "linear",
        "yaxis.autorange": limits is None,
        **({} if limits is None else {"yaxis.range": list(limits)}),
    }


def _set_layout(figure: "Figure", names: Sequence[str]) -> None:
    """Set what the charts share. The legend is below the axes, where it covers no data."""
    num_rows = sum(name.count("<br>") + 1 for name in dict.fromkeys(names))
    figure.update_layout(
        height=PLOT_HEIGHT + LEGEND_ROW_HEIGHT * num_rows,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        template="plotly_white",
        hovermode="closest",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"},
    )
