"""`mnistexp diff`: two runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Uri
from mnistexp.errors import InputError

if TYPE_CHECKING:
    import pandas
    from rich.console import Console

    from mnistexp.analysis.seed_groups import SeedGroup

NUM_STEPS = 12
NAME_HELP = "A run by id or name, or an experiment (its seeds are folded)."


def diff(
    a: Annotated[str, typer.Argument(help=NAME_HELP)],
    b: Annotated[str, typer.Argument(help=NAME_HELP)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the curves into this picture.")
    ] = None,
    uri: Uri = None,
    experiment: Experiment = "mnistexp",
) -> None:
    """Compare two runs: what was changed, the final metrics, and the learning curves."""
    from rich.console import Console

    from mnistexp.analysis.run_selection import select_seed_group
    from mnistexp.analysis.run_tables import load_history, open_run_store

    store = open_run_store(experiment, uri)
    first, second = select_seed_group(store, a), select_seed_group(store, b)
    ids = [*first.runs["run_id"], *second.runs["run_id"]]
    if output is not None and output.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"--output: expected a .png, .svg or .pdf file. Received: {output}")
    history = load_history(dict.fromkeys(ids), experiment=experiment, uri=uri)
    console = Console()
    console.print(f"[bold]A[/bold]  {_title(first)}\n[bold]B[/bold]  {_title(second)}\n")
    _print_changes(console, first, second)
    _print_metrics(console, first, second)
    _print_curves(console, history, first, second)
    if output is not None:
        _draw(history, first, second, output)
        print(f"curves: {output}")


def _title(recipe: "SeedGroup") -> str:
    if len(recipe.runs) > 1:
        return f"{recipe.name}, {len(recipe.runs)} seeds"
    return f"{recipe.runs['name'].iloc[0]}, run {recipe.runs['run_id'].iloc[0]}"


def _print_changes(console: "Console", first: "SeedGroup", second: "SeedGroup") -> None:
    from mnistexp.analysis.setting_differences import changes

    told = changes(first, second)
    seeds = [", ".join(f"{s:g}" for s in sorted(r.runs["seed"])) for r in (first, second)]
    if seeds[0] != seeds[1]:
        told.append(f"seed {seeds[0]} → {seeds[1]}")
    console.print("[bold]Changed from A to B[/bold]")
    for change in told or ["nothing"]:
        console.print(f"  {change}", highlight=False, markup=False)


def _print_metrics(console: "Console", first: "SeedGroup", second: "SeedGroup") -> None:
    from mnistexp.analysis.significance import NOISE_TEST, within_noise

    final = [name for name in first.metrics if name in second.metrics]
    rows = []
    for name in final:
        before, after = first.mean(name), second.mean(name)
        assert before is not None  # `metrics` are those that there are values of.
        assert after is not None
        mark = " ≈" if within_noise(first, second, name) else ""
        rows.append([name, f"{before:,.6g}", f"{after:,.6g}", f"{after - before:+,.4g}{mark}"])
    console.print("\n[bold]Final metrics[/bold]")
    _print_table(console, ["", "A", "B", "B − A"], rows)
    if any("≈" in row[-1] for row in rows):
        console.print(f"≈ within the noise: {NOISE_TEST}", style="dim")


def _print_curves(
    console: "Console", history: "pandas.DataFrame", first: "SeedGroup", second: "SeedGroup"
) -> None:
    from mnistexp.analysis.learning_curves import curves_at, fold_curves

    curves = fold_curves(curves_at(history, NUM_STEPS), {"A": first, "B": second})
    rows = [
        [f"{step:,}", *("" if value != value else f"{value:.4f}" for value in row)]
        for step, row in zip(curves.index, curves.to_numpy(), strict=True)
    ]
    console.print("\n[bold]Curves[/bold]")
    _print_table(console, ["step", *(str(title).replace("_", " ") for title in curves)], rows)


def _print_table(console: "Console", titles: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 1))
    for title in titles:
        table.add_column(
            title,
            justify="right" if title else "left",
            max_width=16 if title else None,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _draw(
    history: "pandas.DataFrame", first: "SeedGroup", second: "SeedGroup", output: Path
) -> None:
    from mnistexp.analysis.figures import draw_curves

    recipes = {f"A {first.name}": first, f"B {second.name}": second}
    curves = {title: list(recipe.runs["run_id"]) for title, recipe in recipes.items()}
    draw_curves(history, curves).savefig(output)
