"""Figures of a search with Optuna: its course, its settings, and what mattered."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.chart_layout import (
    COLORS,
    GREY,
    WORST_TO_BEST,
    ValueAxis,
    readable,
    value_axis,
)
from mnistexp.analysis.figures.canvas import new_figure, whole_steps, write_title
from mnistexp.config.run_names import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna import Study
    from optuna.trial import FrozenTrial

MIN_TRIALS = 20
"""With fewer finished trials, the importance of settings is little more than chance."""


@dataclass(frozen=True)
class _Objective:
    """One objective of a study. number: its position. is_minimized: whether lower is better."""

    name: str
    number: int
    is_minimized: bool

    def value(self, trial: "FrozenTrial") -> float:
        """Return the value of a finished trial; of a pruned one, the last value that it reached."""
        if trial.values:
            return float(trial.values[self.number])
        last_step = max(trial.intermediate_values, default=None)
        return float("nan") if last_step is None else trial.intermediate_values[last_step]


def draw_study(
    title: str, study: "Study", objectives: Sequence[str]
) -> "Iterator[tuple[str, Figure]]":
    """Draw history, importance and parallel coordinates for each objective, and the Pareto front.

    The importance needs finished trials that differ; else it is left out.

    Args:
        title: names the search.

    Yields:
        (name, figure).
    """
    finished = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    described = [
        _Objective(name, number, direction.name == "MINIMIZE")
        for number, (name, direction) in enumerate(zip(objectives, study.directions, strict=True))
    ]
    for objective in described:
        yield f"history_{objective.name}", _draw_history(title, finished, pruned, objective)
        importance = _importance(study, objective)
        if len(importance) > 1:  # A single setting has all of it.
            figure = _draw_importance(title, importance, objective, len(finished))
            yield f"importance_{objective.name}", figure
        figure = _draw_parallel_coordinates(title, finished, pruned, objective)
        yield f"parallel_coordinates_{objective.name}", figure
    if len(objectives) > 1:
        yield "pareto_front", _draw_pareto_front(title, finished, study.best_trials, described)


def _draw_history(
    title: str,
    finished: "Sequence[FrozenTrial]",
    pruned: "Sequence[FrozenTrial]",
    objective: _Objective,
) -> "Figure":
    """Draw the objective of each trial, and the best value so far."""
    figure = new_figure((9, 5))
    axes = figure.subplots()
    values = [objective.value(trial) for trial in finished]
    better = min if objective.is_minimized else max
    best = [better(values[: count + 1]) for count in range(len(values))]
    numbers = [trial.number for trial in finished]
    axes.step(numbers, best, where="post", color=COLORS[3], label="best so far")
    axes.plot(numbers, values, "o", color=COLORS[0], label=f"{len(finished)} finished")
    if pruned:
        reached = [objective.value(trial) for trial in pruned]
        label = f"{len(pruned)} pruned, when they were stopped"
        axes.plot([t.number for t in pruned], reached, "x", color="gray", label=label)
    axes.set(xlabel="trial", ylabel=readable(objective.name))
    axes.xaxis.set_major_locator(whole_steps())
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3)
    write_title(figure, title)
    return figure


def _importance(study: "Study", objective: _Objective) -> dict[str, float]:
    """Return the importance of each setting, the largest first; empty if it cannot be computed."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's, about experimental functions.
        try:
            # With a fixed seed, a search that is summarized again has the same figure.
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            found = optuna.importance.get_param_importances(
                study, evaluator=evaluator, target=objective.value
            )
        except (ValueError, RuntimeError):  # Too few trials, or their values are equal.
            return {}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _draw_importance(
    title: str, importance: dict[str, float], objective: _Objective, num_finished: int
) -> "Figure":
    figure = new_figure((9, 1.6 + 0.5 * len(importance)))
    axes = figure.subplots()
    names = short_names(list(importance))
    is_certain = num_finished >= MIN_TRIALS
    color = COLORS[0] if is_certain else GREY
    bars = axes.barh([names[name] for name in importance], list(importance.values()), color=color)
    axes.bar_label(bars, [f"{100 * value:.1f} %" for value in importance.values()], padding=3)
    axes.invert_yaxis()
    axes.set(xlabel=f"share of the variance of {readable(objective.name)}", xlim=(0, 1.08))
    caution = f"From {num_finished} finished trials, so uncertain: {MIN_TRIALS} or more are needed"
    write_title(figure, title, f"{num_finished} finished trials" if is_certain else caution)
    return figure


def _draw_parallel_coordinates(
    title: str,
    finished: "Sequence[FrozenTrial]",
    pruned: "Sequence[FrozenTrial]",
    objective: _Objective,
) -> "Figure":
    """Draw each trial as a line through its settings to its objective, the best one darkest."""
    from matplotlib.colors import LinearSegmentedColormap

    trials = [*pruned, *sorted(finished, key=objective.value, reverse=objective.is_minimized)]
    value_of = [objective.value(trial) for trial in trials]
    objective_axis = value_axis(readable(objective.name), value_of, is_log=False)
    axes_of_values = [*_setting_axes(trials), objective_axis]
    heights = [_fractions(axis) for axis in axes_of_values]
    colors = LinearSegmentedColormap.from_list("worst_to_best", WORST_TO_BEST)
    num_finished = len(finished)
    figure = new_figure((max(9.0, 2.2 * len(heights)), 5.5))
    axes = figure.subplots()
    for number in range(len(trials)):
        rank = number - len(pruned)
        line = [height[number] for height in heights]
        if rank < 0:
            axes.plot(line, ":", color=GREY, linewidth=1.2)
        else:
            is_best = rank == num_finished - 1
            color = colors((rank + 1) / num_finished)
            axes.plot(line, color=color, linewidth=3 if is_best else 1.2)
    last = len(heights) - 1
    for position, axis in enumerate(axes_of_values):
        side = -1 if position == 0 else 1 if position == last else 0
        _draw_vertical_axis(axes, position, axis, side)
    axes.set_xlim(-0.4, last + 0.4)
    axes.set_xticks(range(len(heights)), [axis.title for axis in axes_of_values])
    axes.set_yticks([])
    axes.tick_params("x", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    counts = f"{len(finished)} finished trials, the better the darker, the best one thick"
    dotted = f"; dotted: {len(pruned)} pruned" if pruned else ""
    write_title(figure, title, counts + dotted)
    return figure


def _setting_axes(trials: "Sequence[FrozenTrial]") -> list[ValueAxis]:
    """Return the axes of all settings, logarithmic where the search sampled like that."""
    distributions = {name: d for trial in trials for name, d in trial.distributions.items()}
    names = short_names(list(distributions))
    return [
        value_axis(
            names[name],
            _numbers_if_all([trial.params.get(name) for trial in trials]),
            is_log=bool(getattr(distribution, "log", False)),
        )
        for name, distribution in distributions.items()
    ]


def _numbers_if_all(values: Sequence[Any]) -> Sequence[Any]:
    """Return values as numbers if all are: a choice `20,50,100` is stored as texts."""
    try:
        return [float(value) if isinstance(value, str) else value for value in values]
    except ValueError:
        return values


def _fractions(axis: ValueAxis) -> list[float]:
    """Return the positions of values as fractions of the height of an axis."""
    positions = [math.log(value) if axis.is_log else value for value in axis.positions]
    known = [position for position in positions if math.isfinite(position)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return [(position - low) / (high - low) if high > low else 0.5 for position in positions]


def _draw_vertical_axis(axes: "Axes", position: int, axis: ValueAxis, side: int) -> None:
    """Draw an axis with its ticks. side: -1 for ticks at the left, 1 at the right, 0 on it.

    Lines of trials arrive at both sides of an inner axis, so there the ticks cover them.
    """
    axes.axvline(position, color="black", linewidth=0.8)
    count = len(axis.positions)
    extended = ValueAxis(axis.title, [*axis.positions, *axis.ticks], is_log=axis.is_log)
    heights = _fractions(extended)[count:]
    for height, text in zip(heights, axis.ticks.values(), strict=True):
        axes.annotate(
            text,
            (position, height),
            xytext=(5 * side, 0),
            textcoords="offset points",
            ha=("right", "center", "left")[side + 1],
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )


def _draw_pareto_front(
    title: str,
    finished: "Sequence[FrozenTrial]",
    best: "Sequence[FrozenTrial]",
    objectives: Sequence[_Objective],
) -> "Figure":
    """Draw each pair of objectives, with the trials that none beats in all objectives."""
    pairs = list(combinations(objectives, 2))
    figure = new_figure((5.5 * len(pairs) + 1, 5))
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, (first, second) in zip(panels, pairs, strict=True):
        for trials, color, label in (
            (finished, GREY, "finished trials"),
            (best, COLORS[3], "Pareto front, with trial numbers"),
        ):
            points = [(first.value(trial), second.value(trial)) for trial in trials]
            axes.plot(*zip(*points, strict=True), "o", color=color, label=label)
        for trial in best:
            point = (first.value(trial), second.value(trial))
            axes.annotate(str(trial.number), point, xytext=(5, 5), textcoords="offset points")
        axes.set(xlabel=readable(first.name), ylabel=readable(second.name))
        axes.margins(0.08)
        axes.grid(alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    write_title(figure, title)
    return figure
