"""The table of a comparison: one row a recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.seed_groups import SeedGroup
from mnistexp.analysis.setting_differences import changes, differing
from mnistexp.analysis.significance import within_noise

if TYPE_CHECKING:
    import pandas

FOLDED = ("val_accuracy", "test_accuracy", "test_accuracy_max", "val_loss", "test_loss")
"""Metrics whose mean and standard deviation over the seeds are columns."""
COSTS = ("seconds", "num_parameters")
"""What a recipe costs: the median over the seeds, since one run may be disturbed."""


@dataclass(frozen=True)
class Comparison:
    """Recipes beside each other.

    settings: those that differ. metric: by which they are compared. rows: a row a recipe, with the
    columns `name`, the settings, `changed` (from the row above, in words), `n` (seeds),
    `METRIC_mean` and `METRIC_std` (NaN for one seed), `seconds`, `num_parameters`, `best`, then the
    difference of the mean to the row above, `change`, and to the baseline, `to_baseline`, each with
    whether it is `…_within_noise` (None where that is not known) and, for costs, as a ratio.
    """

    settings: Sequence[str]
    metric: str
    rows: "pandas.DataFrame"


def compare(
    recipes: Sequence[SeedGroup], metric: str | None = None, baseline: SeedGroup | None = None
) -> Comparison:
    """The recipes in their order, each with what differs and what that did to the metric.

    Args:
        recipes: of `group_by_seed`.
        metric: to compare by. Default: the validation accuracy where all have one, since no figure
            of the test images may choose; else the test accuracy.
        baseline: that every row is compared with.
    """
    import pandas

    metric = metric or selection_metric(recipes)
    settings = differing(recipes)
    rows = []
    for number, recipe in enumerate(recipes):
        above = recipes[number - 1] if number else None
        rows.append(
            {
                "name": recipe.name,
                **{name: recipe.settings.get(name) for name in settings},
                "changed": "; ".join(changes(above, recipe)) if above else "",
                **_figures(recipe, metric),
                "best": recipe is _best(recipes, metric),
                **_difference("change", above, recipe, metric),
                **{f"{cost}_ratio": _ratio(above, recipe, cost) for cost in COSTS},
                **_difference("to_baseline", baseline, recipe, metric),
            }
        )
    return Comparison(settings, metric, pandas.DataFrame(rows))


def selection_metric(recipes: Sequence[SeedGroup]) -> str:
    """What recipes may be ranked by: see `compare`."""
    validated = all(len(recipe.values("val_accuracy")) for recipe in recipes)
    return "val_accuracy" if validated else "test_accuracy"


def is_cost(metric: str) -> bool:
    """Whether less is better."""
    return metric in COSTS or metric.endswith(("loss", "seconds", "_mb"))


def ranked(recipes: Sequence[SeedGroup], metric: str) -> list[SeedGroup]:
    """The best first; what lacks the metric at the end."""
    sign = 1 if is_cost(metric) else -1

    def key(recipe: SeedGroup) -> tuple[bool, float]:
        mean = recipe.mean(metric)
        return mean is None, sign * (mean or 0.0)

    return sorted(recipes, key=key)


def _best(recipes: Sequence[SeedGroup], metric: str) -> SeedGroup | None:
    """None where there is nothing to choose from."""
    first = ranked(recipes, metric)[0]
    return first if len(recipes) > 1 and first.mean(metric) is not None else None


def _figures(recipe: SeedGroup, metric: str) -> dict[str, Any]:
    figures: dict[str, Any] = {"n": len(recipe.runs)}
    for name in dict.fromkeys((*FOLDED, *(() if metric in COSTS else (metric,)))):
        if recipe.mean(name) is not None:
            figures |= {f"{name}_mean": recipe.mean(name), f"{name}_std": recipe.std(name)}
    return figures | {cost: _median(recipe, cost) for cost in COSTS}


def _median(recipe: SeedGroup, metric: str) -> float | None:
    return float(recipe.runs[metric].median()) if len(recipe.values(metric)) else None


def _difference(
    name: str, other: SeedGroup | None, recipe: SeedGroup, metric: str
) -> dict[str, Any]:
    if other is None:
        return {}
    change = _combined(other, recipe, metric, lambda before, after: after - before)
    noise = within_noise(other, recipe, metric) if other is not recipe else None
    return {name: change, f"{name}_within_noise": noise}


def _ratio(other: SeedGroup | None, recipe: SeedGroup, cost: str) -> float | None:
    if other is None or not _median(other, cost):
        return None
    return _combined(other, recipe, cost, lambda before, after: after / before)


def _combined(
    other: SeedGroup, recipe: SeedGroup, metric: str, combine: Callable[[float, float], float]
) -> float | None:
    measure = _median if metric in COSTS else SeedGroup.mean
    before, after = measure(other, metric), measure(recipe, metric)
    return None if before is None or after is None else combine(before, after)
