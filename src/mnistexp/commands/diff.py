"""`mnistexp diff`: compare a few runs in detail."""

import math
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import RUN_HELP, Experiment, Uri, complete_runs
from mnistexp.errors import InputError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    import pandas
    from rich.console import Console

    from mnistexp.analysis.seed_groups import SeedGroup

NUM_STEPS = 12
"""Rows of the table of curves."""
FIGURE_TYPES = (".png", ".svg", ".pdf")
LETTERS = "ABCDEFGH"
"""Short names of the runs, at most as many as a figure has colors."""


def diff(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…", help=f"Two or more of: {RUN_HELP}", autocompletion=complete_runs
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the learning curves into this file.")
    ] = None,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Compare runs: what was changed, the final metrics, and the learning curves.

    Runs that differ only in the seed are averaged. The first run is what the others are compared
    with.
    """
    if not 2 <= len(names) <= len(LETTERS):
        raise InputError(f"expected 2 to {len(LETTERS)} runs. Received: {len(names)}")
    if output is not None and output.suffix not in FIGURE_TYPES:
        raise InputError(f"--output: expected a .png, .svg or .pdf file. Received: {output}")
    from rich.console import Console

    from mnistexp.analysis.seed_groups import CURVE_METRICS, select_seed_group
    from mnistexp.runs.run_tables import open_run_store, tabulate_histories
    from mnistexp.tables import print_folded

    store = open_run_store(experiment, uri)
    groups = dict(zip(LETTERS, [select_seed_group(store, name) for name in names], strict=False))
    ids = dict.fromkeys(run_id for group in groups.values() for run_id in group.runs["run_id"])
    history = tabulate_histories(store, list(ids), [*CURVE_METRICS, "train_accuracy"])
    console = Console()
    for letter, group in groups.items():
        print_folded(console, _title(group), label=f"{letter}  ", label_style="bold")
    for letter in list(groups)[1:]:
        _print_changes(console, letter, groups["A"], groups[letter])
    _print_metrics(console, groups)
    _print_curves(console, history, groups)
    if output is not None:
        _draw(history, groups, output)
        print(f"curves: {output}")


def _title(group: "SeedGroup") -> str:
    if len(group.runs) > 1:
        return f"{group.name}, {len(group.runs)} seeds"
    run = group.runs.iloc[0]
    title = f"{run['name']}, run {run['run_id'][:8]}"
    if run["status"] == "FINISHED":
        return title
    ended_at = run.get("tags.ended_at")
    return f"{title}, {run['status'].lower()} {ended_at if isinstance(ended_at, str) else ''}"


def _print_changes(console: "Console", letter: str, first: "SeedGroup", other: "SeedGroup") -> None:
    from mnistexp.analysis.setting_differences import describe_changes
    from mnistexp.tables import print_folded

    changes = describe_changes(first, other)
    seeds = [_format_seeds(group) for group in (first, other)]
    if seeds[0] != seeds[1]:
        changes.append(f"seed {seeds[0]} → {seeds[1]}")
    console.print(f"\n[bold]Changed from A to {letter}[/bold]")
    for change in changes or ["nothing"]:
        print_folded(console, change, indent=2)


def _format_seeds(group: "SeedGroup") -> str:
    """Return `0, 1, 2`; `–` for an ensemble, whose members have several."""
    if "seed" not in group.runs:
        return "–"
    return ", ".join(f"{seed:g}" for seed in sorted(group.runs["seed"]))


def _print_metrics(console: "Console", groups: "Mapping[str, SeedGroup]") -> None:
    from mnistexp.analysis.significance import NOISE_TEST
    from mnistexp.tables import Column, Table

    first, *others = groups.values()
    rows = []
    for name in dict.fromkeys(name for group in groups.values() for name in group.metrics):
        means = [_format_mean(group, name) for group in groups.values()]
        rows.append([name, *means, *(_difference(first, other, name) for other in others)])
    letters = list(groups)
    titles = [*letters, *(f"{letter} − A" for letter in letters[1:])]
    console.print("\n[bold]Final metrics[/bold]")
    if not rows:
        console.print("  none: these runs ended before their first metric")
        return
    Table([Column("", is_text=True), *map(Column, titles)], rows).print(console)
    if any("≈" in cell for row in rows for cell in row):
        console.print(f"≈ within the noise: {NOISE_TEST}", style="dim")


def _format_mean(group: "SeedGroup", metric: str) -> str:
    mean = group.mean(metric)
    return "" if mean is None else f"{mean:,.6g}"


def _difference(first: "SeedGroup", other: "SeedGroup", metric: str) -> str:
    from mnistexp.analysis.significance import is_within_noise

    before, after = first.mean(metric), other.mean(metric)
    if before is None or after is None:
        return ""
    difference = after - before
    text = f"{difference:+,.0f}" if abs(difference) >= 1000 else f"{difference:+.4g}"
    return f"{text}{' ≈' if is_within_noise(first, other, metric) else ''}"


def _print_curves(
    console: "Console", history: "pandas.DataFrame", groups: "Mapping[str, SeedGroup]"
) -> None:
    from mnistexp.analysis.seed_groups import CURVE_METRICS, average_curves, sample_curves
    from mnistexp.tables import Column, Table

    for metric in [metric for metric in CURVE_METRICS if metric in set(history["metric"])]:
        of_metric = history[history["metric"] == metric]
        curves = average_curves(sample_curves(of_metric, NUM_STEPS), groups)
        if curves.count().max() < 2:
            continue  # A metric that was measured once is among the final metrics.
        rows = [
            [f"{step:,}", *("" if math.isnan(value) else f"{value:.4f}" for value in row)]
            for step, row in zip(curves.index, curves.to_numpy(), strict=True)
        ]
        titles = [str(name).removeprefix(f"{metric} ") for name in curves]
        console.print(f"\n[bold]Curves of {metric.replace('_', ' ')}[/bold]")
        Table([Column(title) for title in ["step", *titles]], rows).print(console)


def _draw(history: "pandas.DataFrame", groups: "Mapping[str, SeedGroup]", output: Path) -> None:
    """Draw accuracy and loss of the runs."""
    from mnistexp.analysis.figures import draw_curves
    from mnistexp.analysis.seed_groups import curves_by_run
    from mnistexp.analysis.setting_differences import label_groups

    labels = label_groups(list(groups.values()))
    titles = [f"{letter}  {label}" for letter, label in zip(groups, labels, strict=True)]
    names = "\n".join(f"{letter}  {_title(group)}" for letter, group in groups.items())
    curves_of = curves_by_run(history)
    metrics = {}
    for metric in [
        name for kind in ("accuracy", "loss") for name in _drawn_metric(kind, curves_of)
    ]:
        found = curves_of[metric]
        seeds = [[found[i] for i in g.runs["run_id"] if i in found] for g in groups.values()]
        metrics[metric] = {t: curves for t, curves in zip(titles, seeds, strict=True) if curves}
    draw_curves(names, metrics).savefig(output)


def _drawn_metric(kind: str, curves_of: Mapping[str, Sized]) -> list[str]:
    """Return the metric that most runs have: on validation images, else on test or training images.

    Empty if no run has one.
    """
    known = [n for split in ("val", "test", "train") if (n := f"{split}_{kind}") in curves_of]
    return [max(known, key=lambda name: len(curves_of[name]))] if known else []
