"""Figures that compare runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.tracking import Curve

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABELS = 20
MIN_VALUES_TO_CUT = 100
"""With fewer values, the start of the training is not cut off."""
START_FRACTION = 0.05
"""The fraction of values that counts as the start of training."""
MAX_LABEL_LENGTH = 40


def draw_learning_curves(metric: str, curves: Mapping[str, Sequence[Curve]]) -> "Figure":
    """Draw a metric over the steps: a line for each name, mean ± std over its seeds.

    Args:
        metric: the name of the metric, which labels the axis.
        curves: the curves of all seeds, by the name in the legend. Seeds that were measured at
            different steps have a line each.
    """
    figure, axes = _new_figure()
    colors = _colors(len(curves))
    for (name, seeds), color in zip(curves.items(), colors, strict=True):
        _draw_seeds(axes, name, seeds, color)
    axes.set(xlabel="step", ylabel=metric.replace("_", " "))
    if len(curves) <= MAX_LABELS:
        axes.legend(fontsize="small")
    return figure


def draw_curves(history: "pandas.DataFrame", runs: Mapping[str, Sequence[str]]) -> "Figure":
    """Draw accuracy and loss of runs, on validation images, else on test images.

    Args:
        history: a table of `load_history`.
        runs: the run ids of all seeds, by the name in the legend.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    known = set(history["metric"])
    for axes, kind in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        metrics = [m for m in (f"val_{kind}", f"test_{kind}", f"train_{kind}") if m in known]
        _draw_metric(axes, metrics[0] if metrics else f"test_{kind}", history, runs)
    return figure


def _draw_metric(
    axes: "Axes", metric: str, history: "pandas.DataFrame", runs: Mapping[str, Sequence[str]]
) -> None:
    of_metric = history[history["metric"] == metric]
    for (name, ids), color in zip(runs.items(), _colors(len(runs)), strict=True):
        of_runs = [of_metric[of_metric["run_id"] == run_id] for run_id in ids]
        seeds = [list(zip(h["step"], h["value"], strict=True)) for h in of_runs if len(h) > 1]
        _draw_seeds(axes, name, seeds, color)
    axes.set(xlabel="step", ylabel=metric.replace("_", " "))
    _cut_off_the_start(axes, of_metric["value"].to_numpy(), rises=metric.endswith("accuracy"))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _cut_off_the_start(axes: "Axes", values: np.ndarray, rises: bool) -> None:
    """Limit the axis: with the extreme first values in view, all others would look equal."""
    if len(values) < MIN_VALUES_TO_CUT:
        return
    low, high = np.quantile(values, (START_FRACTION, 1) if rises else (0, 1 - START_FRACTION))
    margin = 0.05 * (high - low)
    axes.set_ylim(low - margin, high + margin)


def draw_metric_by_parameter(
    rows: "pandas.DataFrame", parameters: Sequence[str], metric: str
) -> "Figure":
    """Draw the final metric of each seed group against each parameter, with error bars.

    Args:
        rows: the rows of a `Comparison`, with the columns `{metric}_mean` and `{metric}_std`.
        parameters: columns of settings that differ; each has a panel.
        metric: the name of the metric.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(parameters), 4), layout="constrained")
    panels = figure.subplots(1, len(parameters), squeeze=False, sharey=True)[0]
    for axes, parameter in zip(panels, parameters, strict=True):
        positions, labels = _positions(rows[parameter].tolist())
        axes.errorbar(
            positions,
            rows[f"{metric}_mean"],
            yerr=rows[f"{metric}_std"].fillna(0),
            fmt="o",
            capsize=3,
            alpha=0.8,
        )
        axes.set(xlabel=parameter)
        axes.grid(alpha=0.3)
        if labels:
            axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right", fontsize="small")
        elif min(positions) > 0 and max(positions) > 50 * min(positions):
            axes.set_xscale("log")
    panels[0].set_ylabel(metric.replace("_", " "))
    return figure


def _positions(values: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Return positions on an axis: numbers by value, texts at equal distances with labels."""
    try:
        return [float(value) for value in values], []
    except (ValueError, TypeError):
        texts = [str(value) for value in values]
        labels = list(dict.fromkeys(texts))
        return [float(labels.index(text)) for text in texts], list(map(_shortened, labels))


def _draw_seeds(axes: "Axes", name: str, seeds: Sequence[Curve], color: str) -> None:
    """Draw the mean of seeds that were measured at the same steps, others separately."""
    steps = {tuple(step for step, _ in curve) for curve in seeds}
    if len(seeds) > 1 and len(steps) == 1:
        _draw_mean(axes, name, seeds, color)
        return
    for number, curve in enumerate(seeds):
        label = _shortened(name) if number == 0 else None
        axes.plot(*zip(*curve, strict=True), color=color, label=label)


def _draw_mean(axes: "Axes", name: str, seeds: Sequence[Curve], color: str) -> None:
    steps = [step for step, _ in seeds[0]]
    values = np.array([[value for _, value in curve] for curve in seeds])
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
    axes.plot(steps, mean, color=color, label=f"{_shortened(name)} (n={len(seeds)})")
    axes.fill_between(steps, mean - std, mean + std, color=color, alpha=0.2, linewidth=0)


def _new_figure() -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _colors(count: int) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if count <= 10:
        return [to_hex(colormaps["tab10"](number)) for number in range(count)]
    return [to_hex(colormaps["viridis"](number / (count - 1))) for number in range(count)]


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_LABEL_LENGTH else f"{text[: MAX_LABEL_LENGTH - 1]}…"
