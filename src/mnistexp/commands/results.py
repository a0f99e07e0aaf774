"""`mnistexp results`: write the results of the experiments from the runs in the store."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistexp.commands.options import Wide

MAX_SEEDS = 10
"""Runs with the seeds 0 to 9 are read from the store."""


def results(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a Markdown page, without your own experiments. Default: print a table.",
        ),
    ] = None,
    wide: Wide = False,
) -> None:
    """Show the results of all experiments, or write them to a page. Nothing is trained."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
    from mnistexp.errors import InputError
    from mnistexp.verification import NoExpectation, collect_results, find_experiments, plan_runs
    from mnistexp.verification.results_page import format_results_page, print_results

    # experiments/README.md, which is written with --output, describes the package.
    excluded = () if output is None else ("user",)
    available = list_groups()
    groups = [name for name in EXPERIMENT_GROUPS if name in available and name not in excluded]
    planned, errors = plan_runs(find_experiments(groups), MAX_SEEDS)
    for error in errors:
        if not isinstance(error, NoExpectation):
            print(f"not shown: {error}", file=sys.stderr)
    found = collect_results(planned)
    if not found:
        raise InputError(
            "results: expected runs of experiments in the store. Received: none. "
            "Run some: mnistexp verify lab"
        )
    if output is None:
        print_results(found, wide=wide)
    else:
        output.write_text(format_results_page(found))
        typer.echo(f"{output}: {len(found)} experiments")
