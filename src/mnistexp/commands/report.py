"""`mnistexp report`: runs compared on a page."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, Names, Uri, Where
from mnistexp.errors import InputError


def report(
    names: Names = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = "mnistexp",
) -> None:
    """Write a page that compares runs: leaderboard, curves, costs, pictures and configs.

    It needs no network and no other file.
    """
    if not output.absolute().parent.is_dir():
        raise InputError(f"--output: expected a file in a folder that exists. Received: {output}")
    from rich.console import Console

    from mnistexp.analysis import group_by_seed, tracking_of
    from mnistexp.analysis.report import build_report
    from mnistexp.commands.chosen import chosen_runs

    runs, title = chosen_runs(names or [], where, uri, experiment)
    recipes = group_by_seed(runs)
    if not recipes:
        raise InputError("expected at least one finished run. Received: none")
    num_runs = sum(len(recipe.runs) for recipe in recipes)
    command = " ".join(["mnistexp", *sys.argv[1:]])
    with Console(stderr=True).status(f"reading {num_runs} runs …"):
        page = build_report(recipes, title, command, tracking_of(experiment, uri))
    output.write_text(page)
    counted = "1 run" if num_runs == 1 else f"{num_runs} runs"
    print(f"{output}: {counted}, {output.stat().st_size / 1e6:.1f} MB. Open it in a browser")
