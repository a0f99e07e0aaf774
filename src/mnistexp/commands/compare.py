"""`mnistexp compare`: a table of runs, with the settings that differ."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, RunNames, Uri, Where, Wide
from mnistexp.errors import InputError, did_you_mean
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.analysis.seed_groups import SeedGroup


class Format(StrEnum):
    """The format of a comparison."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"


def compare(
    names: RunNames = None,
    where: Where = "",
    baseline: Annotated[
        str, typer.Option(help="Compare all others with this one of the runs, given by id or name.")
    ] = "",
    metric: Annotated[
        str,
        typer.Option(help="Compare this metric. Default: val_accuracy, without it test_accuracy."),
    ] = "",
    sort: Annotated[
        str,
        typer.Option(
            help="Sort by a metric, n (the number of seeds) or name. "
            "Default: the compared metric; for experiments, name."
        ),
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            help="Show only these columns, separated by commas: name,n,test_accuracy,seconds."
        ),
    ] = "",
    format_: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.table,
    to_previous: Annotated[
        bool,
        typer.Option(
            "--to-previous", help="Compare each row with the row above. Default: with the first."
        ),
    ] = False,
    progression: Annotated[
        bool | None,
        typer.Option(
            "--progression/--settings",
            help="Show what was changed in each row, or the settings that differ. "
            "Default: what was changed, if each row is another experiment.",
        ),
    ] = None,
    wide: Wide = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Compare runs: the settings that differ, and mean ± standard deviation over the seeds."""
    from mnistexp.analysis.comparison import compare as compare_groups
    from mnistexp.analysis.comparison_format import ComparisonFormatter
    from mnistexp.analysis.seed_groups import count_unfinished, group_by_seed
    from mnistexp.runs.run_selection import select_or_last_sweep, select_runs
    from mnistexp.runs.run_tables import open_run_store, tabulate_runs

    store = open_run_store(experiment, uri)
    runs, title = select_or_last_sweep(store, names or [], where)
    table = tabulate_runs(runs)
    groups, excluded = group_by_seed(table), count_unfinished(table)
    if not groups:
        raise InputError(f"expected at least one finished run. Received: none ({excluded})")
    if progression is None:
        progression = _is_progression(groups) and not sort
    base = None
    if baseline:
        base = _find_group(
            groups, {run.run_id for run in select_runs(store, [baseline], among=runs)}
        )
        if base is None:
            raise InputError(f"--baseline: expected a finished run. Received: {baseline!r}")
    groups, order = _sort(groups, sort or ("name" if progression else ""), metric)
    comparison = compare_groups(groups, metric or None, base, to_previous=to_previous)
    formatter = ComparisonFormatter(comparison, progression, title, order, excluded)
    formatter.write(format_.value, [name for name in columns.split(",") if name], wide=wide)


def _is_progression(groups: "list[SeedGroup]") -> bool:
    """Return whether all are different experiments of one config group: they are numbered."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS

    options = [[group.settings.get(name) for group in groups] for name in EXPERIMENT_GROUPS]
    return len(groups) > 1 and any(
        None not in chosen and len(set(chosen)) == len(groups) for chosen in options
    )


def _sort(groups: "list[SeedGroup]", sort: str, metric: str) -> "tuple[list[SeedGroup], str]":
    """Return the sorted groups, and their order in words."""
    from mnistexp.analysis.comparison import rank, selection_metric

    if sort == "name":
        return sorted(groups, key=lambda group: group.name), "by name"
    if sort == "n":
        return sorted(groups, key=lambda group: -len(group.runs)), "most seeds first"
    key = sort or metric or selection_metric(groups)
    if all(group.mean(key) is None for group in groups):
        known = sorted({name for group in groups for name in group.metrics})
        expected = f"n, name or a metric: {', '.join(known)}" if sort else ", ".join(known)
        raise InputError(
            f"--{'sort' if sort else 'metric'}: expected {expected}. Received: {key!r}."
            f"{did_you_mean(key, known)}"
        )
    return rank(groups, key), f"best {key} first"


def _find_group(groups: "list[SeedGroup]", run_ids: set[str]) -> "SeedGroup | None":
    return next((group for group in groups if run_ids & set(group.runs["run_id"])), None)
