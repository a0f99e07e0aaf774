"""`mnistexp compare`: what helped."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Names, Uri, Where
from mnistexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas

    from mnistexp.analysis.seed_groups import SeedGroup


class Format(StrEnum):
    """How a comparison is written."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"


def compare(
    names: Names = None,
    where: Where = "",
    baseline: Annotated[
        str, typer.Option(help="A row that all others are compared with, by run name or id.")
    ] = "",
    metric: Annotated[
        str,
        typer.Option(help="What is compared. Default: val_accuracy, without it test_accuracy."),
    ] = "",
    sort: Annotated[
        str, typer.Option(help="A metric, n or name. Default: the metric; for experiments, name.")
    ] = "",
    columns: Annotated[
        str, typer.Option(help="Only these, with commas: name,n,test_accuracy,seconds.")
    ] = "",
    format_: Annotated[Format, typer.Option("--format", help="How.")] = Format.table,
    story: Annotated[
        bool | None,
        typer.Option(
            "--story/--settings",
            help="Tell what changed from row to row, or show the settings that differ. "
            "Default: the story for experiments.",
        ),
    ] = None,
    uri: Uri = None,
    experiment: Experiment = "mnistexp",
) -> None:
    """Compare runs: the settings that differ, seeds folded to mean ± standard deviation.

    ≈ marks a difference within the noise of the seeds, ? one that a single seed cannot judge.
    """
    from mnistexp.analysis.comparison import compare as do_compare
    from mnistexp.analysis.comparison_format import ComparisonFormatter
    from mnistexp.analysis.run_selection import select_or_last_sweep, select_runs
    from mnistexp.analysis.run_tables import open_run_store, tabulate_runs
    from mnistexp.analysis.seed_groups import group_by_seed

    store = open_run_store(experiment, uri)
    chosen, title = select_or_last_sweep(store, names or [], where)
    runs = tabulate_runs(chosen)
    recipes = group_by_seed(runs)
    if not recipes:
        raise InputError(f"expected at least one finished run. Received: none ({_left_out(runs)})")
    tells = _is_progression(recipes) and not sort if story is None else story
    recipes = _ordered(recipes, sort or ("name" if tells else ""), metric)
    base = None
    if baseline:
        named = {run.run_id for run in select_runs(store, [baseline], among=chosen)}
        base = next((r for r in recipes if named & set(r.runs["run_id"])), None)
        if base is None:
            raise InputError(f"--baseline: expected a finished run. Received: {baseline!r}")
    comparison = do_compare(recipes, metric or None, base)
    presentation = ComparisonFormatter(comparison, tells, title, _left_out(runs))
    presentation.write(format_.value, [name for name in columns.split(",") if name])


def _is_progression(recipes: "list[SeedGroup]") -> bool:
    """Whether all are experiments of one group, which stand in an order."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS

    groups = [{group for group in EXPERIMENT_GROUPS if group in r.settings} for r in recipes]
    return len(recipes) > 1 and bool(set.intersection(*groups))


def _ordered(recipes: "list[SeedGroup]", sort: str, metric: str) -> "list[SeedGroup]":
    from mnistexp.analysis.comparison import ranked, selection_metric

    if sort == "name":
        return sorted(recipes, key=lambda recipe: recipe.name)
    if sort == "n":
        return sorted(recipes, key=lambda recipe: -len(recipe.runs))
    by = sort or metric or selection_metric(recipes)
    if all(recipe.mean(by) is None for recipe in recipes):
        known = sorted({str(name) for r in recipes for name in r.runs.columns if r.mean(name)})
        raise InputError(f"--sort, --metric: no run has {by!r}.{did_you_mean(by, known)}")
    return ranked(recipes, by)


def _left_out(runs: "pandas.DataFrame") -> str:
    """How many runs are not compared, and why: `2 failed, 1 running`."""
    unfinished = runs[(runs["status"] != "FINISHED") & (runs["tags.kind"] != "sweep")]
    counts = unfinished["status"].str.lower().value_counts()
    return ", ".join(f"{count} {status}" for status, count in counts.items())
