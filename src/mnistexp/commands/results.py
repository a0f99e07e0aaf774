"""`mnistexp results`: the table of what the experiments reached, from the runs in the store."""

from pathlib import Path
from typing import Annotated

import typer

MAX_SEEDS = 10
"""Seeds from 0 that are looked for in the store."""


def results(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The Markdown file. Default: print it.")
    ] = None,
) -> None:
    """Write what the experiments reached, from the runs in the store; nothing is trained."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
    from mnistexp.errors import InputError
    from mnistexp.verification import find_experiments, plan, reached
    from mnistexp.verification.results_page import results_page

    shipped = [group for group in EXPERIMENT_GROUPS if group in list_groups() and group != "user"]
    found = reached(plan(find_experiments(shipped), MAX_SEEDS))
    if not found:
        raise InputError("no run of an experiment is in the store: mnistexp verify lab makes some")
    page = results_page(found)
    if output is None:
        typer.echo(page)
    else:
        output.write_text(page)
        typer.echo(f"{output}: {len(found)} experiments")
