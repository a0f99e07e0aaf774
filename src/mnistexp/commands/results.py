"""`mnistexp results`: write the results of the experiments from the runs in the store."""

from pathlib import Path
from typing import Annotated

import typer

from mnistexp.commands.options import Wide

MAX_SEEDS = 10
"""Runs with the seeds 0 to 9 are read from the store."""


def results(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a Markdown page. Default: print a table."),
    ] = None,
    wide: Wide = False,
) -> None:
    """Show the results of all experiments, or write them to a page. Nothing is trained."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
    from mnistexp.errors import InputError
    from mnistexp.verification import collect_results, find_experiments, plan_runs
    from mnistexp.verification.results_page import format_results_page, tabulate_results

    shipped = [group for group in EXPERIMENT_GROUPS if group in list_groups() and group != "user"]
    found = collect_results(plan_runs(find_experiments(shipped), MAX_SEEDS)[0])
    if not found:
        raise InputError(
            "results: expected runs of experiments in the store. Received: none. "
            "Run some: mnistexp verify lab"
        )
    if output is None:
        tabulate_results(found).print(wide=wide)
    else:
        output.write_text(format_results_page(found))
        typer.echo(f"{output}: {len(found)} experiments")
