"""Compare seed groups: a table with one row for each group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.seed_groups import SeedGroup
from mnistexp.analysis.setting_differences import describe_changes, differing_settings
from mnistexp.analysis.significance import is_within_noise, seeds_needed

if TYPE_CHECKING:
    import pandas

AVERAGED_METRICS = ("val_accuracy", "test_accuracy", "test_accuracy_max", "val_loss", "test_loss")
"""Metrics with columns for mean and standard deviation over the seeds."""
TARGET_SETTINGS = ("train.target.metric", "train.target.value")
"""Groups are compared by the time to their target only if it is the same."""
COST_METRICS = ("seconds", "num_parameters")
"""Metrics with a column for the median: it is robust to a run that other work slows down."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of seed groups.

    settings: the settings that differ.
    metric: the metric that the groups are compared by.
    to_previous: whether changes refer to the row above; else to the first row.
    num_data_sets: of the groups. Only rows on the same data set are compared with each other.
    rows: a row for each group, with the columns

    - `name`, each of the settings, and `changed`: a text with the settings that were changed;
    - `n`: the number of seeds;
    - `METRIC_mean` and `METRIC_std` over the seeds (NaN for one seed);
    - `best`: whether the group is the best one of several on its data set;
    - `change` and `to_baseline`: the difference of the mean to the row that changes refer to and
      to the baseline, with `change_within_noise` and `to_baseline_within_noise` (None if unknown),
      and within the noise `change_seeds_needed` and `to_baseline_seeds_needed`;
    - `seconds` and `num_parameters`, with the ratios `seconds_ratio` and `num_parameters_ratio`.
    """

    settings: Sequence[str]
    metric: str
    rows: "pandas.DataFrame"
    to_previous: bool = False
    num_data_sets: int = 1


def compare(
    groups: Sequence[SeedGroup],
    metric: str | None = None,
    baseline: SeedGroup | None = None,
    *,
    to_previous: bool = False,
) -> Comparison:
    """Compare groups: the settings that differ, and the changes from the first row.

    Args:
        groups: the groups, as `group_by_seed` returns them.
        metric: the metric to compare by. Default: that of `selection_metric`.
        baseline: another group that every row is compared with.
        to_previous: compare each row with the row above, not with the first row.
    """
    import pandas

    metric = metric or selection_metric(groups)
    settings = differing_settings(groups)
    by_data: dict[str, list[SeedGroup]] = {}
    for group in groups:
        by_data.setdefault(group.data_name, []).append(group)
    best = [_find_best(members, metric) for members in by_data.values()]
    references: dict[str, SeedGroup] = {}
    rows = []
    for group in groups:
        reference = references.get(group.data_name)
        if to_previous or reference is None:
            references[group.data_name] = group
        is_comparable = baseline is not None and baseline.data_name == group.data_name
        is_compared = is_comparable and group is not baseline
        rows.append(
            {
                "name": group.name,
                **{name: group.settings.get(name) for name in settings},
                "changed": "; ".join(describe_changes(reference, group)) if reference else "",
                **_values(group, metric),
                "best": any(group is other for other in best),
                **_difference("change", reference, group, metric),
                **{f"{cost}_ratio": _ratio(reference, group, cost) for cost in COST_METRICS},
                **_difference("to_baseline", baseline if is_compared else None, group, metric),
            }
        )
    frame = pandas.DataFrame(rows)
    for name in settings:
        values = [row[name] for row in rows]
        if None in values:  # It would make floats of integers.
            frame[name] = pandas.Series(values, dtype=object)
    return Comparison(settings, metric, frame, to_previous, len(by_data))


def selection_metric(groups: Sequence[SeedGroup]) -> str:
    """Return the metric that groups are ranked by.

    The time to the target if all groups have the same one and one reached it. Else the validation
    accuracy if all groups have one, because test images must not select a model; else the test
    accuracy.
    """
    targets = {tuple(group.settings.get(name) for name in TARGET_SETTINGS) for group in groups}
    is_reached = any(len(group.values("seconds_to_target")) for group in groups)
    if is_reached and len(targets) == 1:
        return "seconds_to_target"
    validated = all(len(group.values("val_accuracy")) for group in groups)
    return "val_accuracy" if validated else "test_accuracy"


def lower_is_better(metric: str) -> bool:
    """Return whether lower values of a metric are better."""
    return metric in COST_METRICS or metric.endswith(("loss", "seconds", "_mb", "_to_target"))


def rank(groups: Sequence[SeedGroup], metric: str) -> list[SeedGroup]:
    """Return the groups, the best first, those without the metric last.

    Groups on the same data set stay together, since values on different data cannot be compared.
    """
    sign = 1 if lower_is_better(metric) else -1
    data_sets = {name: n for n, name in enumerate(dict.fromkeys(g.data_name for g in groups))}

    def key(group: SeedGroup) -> tuple[int, bool, float]:
        mean = group.mean(metric)
        return data_sets[group.data_name], mean is None, sign * (mean or 0.0)

    return sorted(groups, key=key)


def _find_best(groups: Sequence[SeedGroup], metric: str) -> SeedGroup | None:
    """Return the best of several groups; None for a single group and without the metric."""
    first = rank(groups, metric)[0]
    return first if len(groups) > 1 and first.mean(metric) is not None else None


def _values(group: SeedGroup, metric: str) -> dict[str, Any]:
    values: dict[str, Any] = {"n": len(group.runs)}
    for name in dict.fromkeys((*AVERAGED_METRICS, *(() if metric in COST_METRICS else (metric,)))):
        if group.mean(name) is not None:
            values |= {f"{name}_mean": group.mean(name), f"{name}_std": group.std(name)}
    return values | {cost: group.median(cost) for cost in COST_METRICS}


def _difference(
    name: str, other: SeedGroup | None, group: SeedGroup, metric: str
) -> dict[str, Any]:
    if other is None:
        return {}
    difference = _combine(other, group, metric, lambda before, after: after - before)
    noise = is_within_noise(other, group, metric) if other is not group else None
    seeds = seeds_needed(other, group, metric) if noise else None
    return {name: difference, f"{name}_within_noise": noise, f"{name}_seeds_needed": seeds}


def _ratio(other: SeedGroup | None, group: SeedGroup, cost: str) -> float | None:
    if other is None or not other.median(cost):
        return None
    return _combine(other, group, cost, lambda before, after: after / before)


def _combine(
    other: SeedGroup, group: SeedGroup, metric: str, operation: Callable[[float, float], float]
) -> float | None:
    average = SeedGroup.median if metric in COST_METRICS else SeedGroup.mean
    before, after = average(other, metric), average(group, metric)
    return None if before is None or after is None else operation(before, after)
