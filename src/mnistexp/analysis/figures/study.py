"""Optuna's figures of a study."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study


def draw_study(study: "Study", objectives: Sequence[str]) -> Iterator[tuple[str, "Figure"]]:
    """Draw history, importance and parallel coordinates for each objective, and the Pareto front.

    Figures that need more trials, or trials that differ more, are left out.

    Yields:
        (name, figure).
    """
    import optuna.visualization.matplotlib as plots
    from matplotlib import pyplot

    drawings: dict[str, Callable[..., Any]] = {
        "history": plots.plot_optimization_history,
        "importance": plots.plot_param_importances,
        "parallel_coordinates": plots.plot_parallel_coordinate,
    }
    for number, objective in enumerate(objectives):
        target = (lambda trial, n=number: trial.values[n]) if len(objectives) > 1 else None
        for name, draw in drawings.items():
            try:
                axes = _quietly(draw, study, target=target, target_name=objective)
            except (ValueError, RuntimeError):
                continue
            yield f"{name}_{objective}", _sized_figure(axes)
    if len(objectives) in (2, 3):
        axes = _quietly(plots.plot_pareto_front, study, target_names=list(objectives))
        yield "pareto_front", _sized_figure(axes)
    pyplot.close("all")


def _quietly(draw: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """Draw without Optuna's warnings about experimental functions and few trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return draw(*arguments, **settings)


def _sized_figure(axes: Any) -> "Figure":
    figure: Figure = axes.figure
    figure.set_size_inches(9, 5)
    figure.tight_layout()
    return figure
