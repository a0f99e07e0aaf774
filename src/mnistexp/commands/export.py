"""`mnistexp export`: write runs into one file, to share them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, Uri, Where, complete_runs
from mnistexp.errors import InputError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT


def export(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…",
            help="Runs by id or name, or experiments. A sweep is exported with its runs.",
            autocompletion=complete_runs,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file, a ZIP file with checksums.")
    ],
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Only settings, tags and final metrics: a few kB for each run. Without curves, "
            "figures and models.",
        ),
    ] = False,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Write runs with all they have into one file, for mnistexp import."""
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise InputError(f"--output: expected a file in an existing folder. Received: {output}")

    from rich.progress import Progress

    from mnistexp.runs.run_export import export_runs, select_exported
    from mnistexp.runs.run_tables import open_run_store

    existed = output.exists()
    store = open_run_store(experiment, uri)
    runs = select_exported(store, names, where)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(f"exporting {count}", total=len(runs))
        for done in export_runs(store, runs, output, summary=summary):
            progress.update(task, completed=done)
    num_bytes = output.stat().st_size
    size = f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"
    typer.echo(f"{output}{' (replaced)' if existed else ''}: {count}, {size}")
    typer.echo(f"Import into another store with: mnistexp import {output}")
