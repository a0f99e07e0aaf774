"""`mnistexp diff`: compare two runs."""

import math
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


def diff(
    a: Annotated[str, typer.Argument(help=RUN_HELP, autocompletion=complete_runs)],
    b: Annotated[str, typer.Argument(help=RUN_HELP, autocompletion=complete_runs)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the learning curves into this file.")
    ] = None,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Compare two runs: what was changed, the final metrics, and the learning curves.

    Runs that differ only in the seed are averaged.
    """
    if output is not None and output.suffix not in FIGURE_TYPES:
        raise InputError(f"--output: expected a .png, .svg or .pdf file. Received: {output}")
    from rich.console import Console

    from mnistexp.analysis.seed_groups import CURVE_METRICS, select_seed_group
    from mnistexp.runs.run_tables import open_run_store, tabulate_histories

    store = open_run_store(experiment, uri)
    first, second = select_seed_group(store, a), select_seed_group(store, b)
    ids = dict.fromkeys([*first.runs["run_id"], *second.runs["run_id"]])
    history = tabulate_histories(store, list(ids), [*CURVE_METRICS, "train_accuracy"])
    console = Console()
    console.print(f"[bold]A[/bold]  {_title(first)}\n[bold]B[/bold]  {_title(second)}\n")
    _print_changes(console, first, second)
    _print_metrics(console, first, second)
    _print_curves(console, history, first, second)
    if output is not None:
        _draw(history, first, second, output)
        print(f"curves: {output}")


def _title(group: "SeedGroup") -> str:
    if len(group.runs) > 1:
        return f"{group.name}, {len(group.runs)} seeds"
    return f"{group.runs['name'].iloc[0]}, run {group.runs['run_id'].iloc[0]}"


def _print_changes(console: "Console", first: "SeedGroup", second: "SeedGroup") -> None:
    from mnistexp.analysis.setting_differences import describe_changes

    changes = describe_changes(first, second)
    seeds = [", ".join(f"{s:g}" for s in sorted(group.runs["seed"])) for group in (first, second)]
    if seeds[0] != seeds[1]:
        changes.append(f"seed {seeds[0]} → {seeds[1]}")
    console.print("[bold]Changed from A to B[/bold]")
    for change in changes or ["nothing"]:
        console.print(f"  {change}", highlight=False, markup=False)


def _print_metrics(console: "Console", first: "SeedGroup", second: "SeedGroup") -> None:
    from mnistexp.analysis.significance import NOISE_TEST, is_within_noise
    from mnistexp.tables import Column, Table

    rows = []
    for name in [name for name in first.metrics if name in second.metrics]:
        before, after = first.mean(name), second.mean(name)
        assert before is not None  # `metrics` are those with values.
        assert after is not None
        mark = " ≈" if is_within_noise(first, second, name) else ""
        rows.append([name, f"{before:,.6g}", f"{after:,.6g}", f"{after - before:+,.4g}{mark}"])
    console.print("\n[bold]Final metrics[/bold]")
    Table(
        [Column("", is_text=True), Column("A"), Column("B"), Column("B − A")],
        rows,
    ).print(console)
    if any("≈" in row[-1] for row in rows):
        console.print(f"≈ within the noise: {NOISE_TEST}", style="dim")


def _print_curves(
    console: "Console", history: "pandas.DataFrame", first: "SeedGroup", second: "SeedGroup"
) -> None:
    from mnistexp.analysis.seed_groups import average_curves, sample_curves
    from mnistexp.tables import Column, Table

    curves = average_curves(sample_curves(history, NUM_STEPS), {"A": first, "B": second})
    rows = [
        [f"{step:,}", *("" if math.isnan(value) else f"{value:.4f}" for value in row)]
        for step, row in zip(curves.index, curves.to_numpy(), strict=True)
    ]
    titles = ["step", *(str(name).replace("_", " ") for name in curves)]
    console.print("\n[bold]Curves[/bold]")
    Table([Column(title) for title in titles], rows).print(console)


def _draw(
    history: "pandas.DataFrame", first: "SeedGroup", second: "SeedGroup", output: Path
) -> None:
    from mnistexp.analysis.figures import draw_curves

    groups = {f"A {first.name}": first, f"B {second.name}": second}
    run_ids = {title: list(group.runs["run_id"]) for title, group in groups.items()}
    draw_curves(history, run_ids).savefig(output)
