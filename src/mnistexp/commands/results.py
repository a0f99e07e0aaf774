"""`mnistexp results`: write the results of the experiments from the runs in the store."""

from pathlib import Path
from typing import Annotated

import typer

MAX_SEEDS = 10
"""Runs with the seeds 0 to 9 are read from the store."""


def results(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The Markdown file. Default: print it.")
    ] = None,
) -> None:
    """Write a Markdown page with the results of all experiments. Nothing is trained."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
    from mnistexp.errors import InputError
    from mnistexp.verification import collect_results, find_experiments, plan_runs
    from mnistexp.verification.results_page import format_results_page

    shipped = [group for group in EXPERIMENT_GROUPS if group in list_groups() and group != "user"]
    found = collect_results(plan_runs(find_experiments(shipped), MAX_SEEDS))
    if not found:
        raise InputError(
            "results: expected runs of experiments in the store. Received: none. "
            "Run some: mnistexp verify lab"
        )
    page = format_results_page(found)
    if output is None:
        typer.echo(page)
    else:
        output.write_text(page)
        typer.echo(f"{output}: {len(found)} experiments")
