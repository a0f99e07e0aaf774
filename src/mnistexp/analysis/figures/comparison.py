"""Figures that compare runs."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.analysis.chart_layout import (
    COLORS,
    FEW_POINTS,
    GREY,
    ValueAxis,
    central_values,
    has_line,
    is_log_scaled,
    line_colors,
    metric_range,
    readable,
    value_axis,
    wrap_label,
)
from mnistexp.analysis.figures.canvas import new_figure, set_log_scale, whole_steps, write_title
from mnistexp.tracking import Curve

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, Sequence[Curve]]
"""The curves of all seeds, by their label, the most important first."""
CHARACTERS_PER_INCH = 14
"""Of the font of a legend."""
PANELS_PER_ROW = 3
MAX_ROWS = 40
"""Of a picture of final values."""


def draw_curves(
    title: str,
    metrics: Mapping[str, Curves],
    pruned: Mapping[str, Sequence[Curve]] | None = None,
) -> "Figure":
    """Draw metrics over the steps: a line for each label, mean ± std over its seeds.

    The first eight labels have colors and the others are grey. Seeds that were measured at
    different steps have a line each. A metric that was measured once is drawn as points with
    numbers.

    Args:
        title: names the sweep or the runs.
        metrics: the curves of each metric, which has a panel.
        pruned: the curves of pruned trials by metric, drawn as dotted lines.
    """
    pruned = pruned or {}
    labels = list(dict.fromkeys(label for curves in metrics.values() for label in curves))
    colors = dict(zip(labels, line_colors(len(labels)), strict=True))
    have_lines = any(map(_has_lines, metrics.values()))
    width = 6.5 * len(metrics) + _legend_width(labels)
    num_rows = 0 if have_lines else min(len(labels), MAX_ROWS)
    figure = new_figure((width, max(5.0, 1.5 + 0.35 * num_rows)))
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, (metric, curves) in zip(panels, metrics.items(), strict=True):
        if _has_lines(curves):
            _draw_lines(axes, metric, curves, colors, pruned.get(metric, ()))
        else:
            _draw_points(axes, metric, curves, colors)
        axes.grid(alpha=0.3)
    if have_lines:
        num_pruned = max(map(len, pruned.values()), default=0)
        _write_legend(figure, panels, metrics, colors, num_pruned)
    write_title(figure, title, _describe_cut_starts(panels, metrics, colors))
    return figure


def draw_metric_by_parameter(
    title: str,
    rows: "pandas.DataFrame",
    parameters: Sequence[str],
    metric: str,
    log_parameters: Collection[str] = (),
) -> "Figure":
    """Draw the final metric of each seed group against each parameter, with error bars.

    Args:
        title: names the sweep.
        rows: the rows of a `Comparison`, with the columns `{metric}_mean` and `{metric}_std`.
        parameters: columns of settings that differ; each has a panel.
        metric: the name of the metric.
        log_parameters: those with a logarithmic axis in any case, because a search sampled them
            like that.
    """
    num_columns = min(PANELS_PER_ROW, len(parameters))
    num_rows = -(-len(parameters) // num_columns)
    figure = new_figure((max(6, 4.5 * num_columns), 0.6 + 3.7 * num_rows))
    panels = figure.subplots(num_rows, num_columns, squeeze=False, sharey=True)
    for axes in panels.ravel()[len(parameters) :]:
        axes.set_axis_off()
    means = rows[f"{metric}_mean"]
    stds = rows[f"{metric}_std"].astype(float)  # NaN, of one seed: no bar.
    best = rows["best"].to_numpy(dtype=bool)
    for axes, parameter in zip(panels.ravel(), parameters, strict=False):
        is_log = True if parameter in log_parameters else None
        name = parameter.removeprefix("model.layers.")
        axis = value_axis(name, rows[parameter].tolist(), is_log=is_log)
        positions = np.array(axis.positions)
        axes.errorbar(positions, means, yerr=stds, fmt="o", capsize=3, alpha=0.7, color=COLORS[0])
        (star,) = axes.plot(positions[best], means[best], "*", markersize=15, zorder=3)
        star.set(color=COLORS[3], label="best")
        _set_parameter_axis(axes, axis)
    has_seeds = (rows["n"] > 1).any()
    for axes in panels[:, 0]:
        axes.set_ylabel(f"{readable(metric)}{', mean ± std' if has_seeds else ''}")
    central = means.isin(central_values(means.tolist()))
    ends = [*(means - stds)[central], *(means + stds)[central]]
    limits = metric_range([[(0, value)] for value in ends])
    num_outside = 0
    if limits is not None:
        panels[0, 0].set_ylim(limits)
        num_outside = int(((means < limits[0]) | (means > limits[1])).sum())
    if best.any():
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower right")
    write_title(figure, title, f"{num_outside} outside the axis" if num_outside else "")
    return figure


def _set_parameter_axis(axes: "Axes", axis: ValueAxis) -> None:
    """Set scale, ticks and title of the horizontal axis of a parameter."""
    if axis.is_log:
        axes.set_xscale("log")
    names = [wrap_label(text) for text in axis.ticks.values()]
    axes.set_xticks(list(axis.ticks), names)
    axes.minorticks_off()
    if max(map(len, names), default=0) > 8 or (len(names) > 4 and not axis.is_log):
        axes.tick_params("x", rotation=45)
    axes.set(xlabel=axis.title)
    axes.margins(x=0.12)
    axes.grid(alpha=0.3)


def _has_lines(curves: Curves) -> bool:
    return any(has_line(curve) for seeds in curves.values() for curve in seeds)


def _draw_lines(
    axes: "Axes",
    metric: str,
    curves: Curves,
    colors: Mapping[str, str],
    pruned: Sequence[Curve],
) -> None:
    for curve in pruned:
        axes.plot(*zip(*curve, strict=True), color=GREY, linestyle=":", marker="x", markevery=[-1])
    for label in reversed(list(curves)):  # The most important ones last, above the others.
        _draw_seeds(axes, curves[label], colors[label])
    colored = [c for label, seeds in curves.items() if colors[label] != GREY for c in seeds]
    values = [value for curve in colored for _, value in curve]
    if metric.endswith("loss") and is_log_scaled(values):
        set_log_scale(axes)
    elif limits := metric_range(colored):
        axes.set_ylim(limits)
    axes.set(xlabel="step", ylabel=readable(metric))
    axes.xaxis.set_major_locator(whole_steps())


def _draw_points(axes: "Axes", metric: str, curves: Curves, colors: Mapping[str, str]) -> None:
    """Draw the values of a metric that each run measured once, as points with numbers."""
    labels = list(curves)[:MAX_ROWS]
    for row, label in enumerate(labels):
        values = [curve[-1][1] for curve in curves[label]]
        axes.plot(values, [row] * len(values), "o", color=colors[label], alpha=0.5)
        mean = float(np.mean(values))
        axes.plot(mean, row, "|", markersize=14, color=colors[label])
        axes.annotate(
            f"{mean:.4f}", (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9
        )
    num_seeds = max(len(seeds) for seeds in curves.values())
    axes.set_yticks(range(len(labels)), map(wrap_label, labels), fontsize="small")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(f"{readable(metric)} (measured once{'; mean' if num_seeds > 1 else ''})")


def _draw_seeds(axes: "Axes", seeds: Sequence[Curve], color: str) -> None:
    """Draw the mean of seeds that were measured at the same steps, others separately."""
    steps = {tuple(step for step, _ in curve) for curve in seeds}
    marker = "o" if max(map(len, seeds)) < FEW_POINTS else None
    if len(seeds) > 1 and len(steps) == 1:
        values = np.array([[value for _, value in curve] for curve in seeds])
        mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
        x = [step for step, _ in seeds[0]]
        axes.plot(x, mean, color=color, marker=marker, markersize=4)
        axes.fill_between(x, mean - std, mean + std, color=color, alpha=0.2, linewidth=0)
        return
    for curve in seeds:
        axes.plot(*zip(*curve, strict=True), color=color, marker=marker, markersize=4)


def _write_legend(
    figure: "Figure",
    panels: Sequence["Axes"],
    metrics: Mapping[str, Curves],
    colors: Mapping[str, str],
    num_pruned: int,
) -> None:
    """Write the labels of colored lines, and one for all grey lines, beside the panels."""
    from matplotlib.lines import Line2D

    num_seeds = {n: len(seeds) for curves in metrics.values() for n, seeds in curves.items()}
    entries = {
        wrap_label(f"{label} (n={num_seeds[label]})" if num_seeds[label] > 1 else label): color
        for label, color in colors.items()
        if color != GREY
    }
    others = [label for label, color in colors.items() if color == GREY]
    if others:
        entries[_describe_others(panels, metrics, others)] = GREY
    handles = [Line2D([], [], color=color, label=label) for label, color in entries.items()]
    if num_pruned:
        label = f"{num_pruned} pruned"
        handles.append(Line2D([], [], color=GREY, linestyle=":", marker="x", label=label))
    figure.legend(handles=handles, loc="outside right upper", fontsize="small")


def _describe_others(
    panels: Sequence["Axes"], metrics: Mapping[str, Curves], others: Sequence[str]
) -> str:
    """Return the label of the grey lines, with the number of those that are not within the axes."""
    hidden = {
        label
        for axes, curves in zip(panels, metrics.values(), strict=True)
        for label in others
        if not any(_is_within(value, axes) for curve in curves.get(label, ()) for _, value in curve)
    }
    text = f"{len(others)} others" if len(others) > 1 else "1 other"
    return f"{text}, {len(hidden)} of them outside the axis" if hidden else text


def _is_within(value: float, axes: "Axes") -> bool:
    low, high = axes.get_ylim()
    return low <= value <= high


def _describe_cut_starts(
    panels: Sequence["Axes"], metrics: Mapping[str, Curves], colors: Mapping[str, str]
) -> str:
    """Return how many colored curves begin outside the axes, which fit where the curves lead."""
    cut = {
        label
        for axes, curves in zip(panels, metrics.values(), strict=True)
        for label, seeds in curves.items()
        if colors[label] != GREY
        and any(math.isfinite(v) and not _is_within(v, axes) for curve in seeds for _, v in curve)
    }
    if not cut or not any(map(_has_lines, metrics.values())):
        return ""
    return f"outside the axis: the start of {len(cut)} curve{'s' if len(cut) > 1 else ''}"


def _legend_width(labels: Sequence[str]) -> float:
    """Return the width of a legend in inches."""
    longest = max(len(line) for label in labels[:8] for line in wrap_label(label).split("\n"))
    return 1.0 + (longest + len(" (n=10)")) / CHARACTERS_PER_INCH
