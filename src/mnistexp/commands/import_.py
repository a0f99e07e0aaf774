"""`mnistexp import`: put the runs of an exported file into a store."""

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Json, Uri
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.runs.run_import import ImportResult

MAX_LISTED = 15


def import_(
    file: Annotated[Path, typer.Argument(help="A file of mnistexp export.")],
    as_json: Json = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Put the runs of an exported file into a store. Runs that it has already are left out.

    The whole file is checked before anything is written. Nothing in it is executed.
    """
    from rich.progress import Progress

    from mnistexp.runs.archive import check_space, open_archive
    from mnistexp.runs.run_import import ImportResult, import_runs, summarize
    from mnistexp.runs.run_tables import open_run_store
    from mnistexp.tracking import check_store

    store = open_run_store(experiment, uri)
    result = ImportResult()
    with (
        open_archive(file) as archive,
        Progress(transient=True, disable=not sys.stdout.isatty()) as progress,
    ):
        check_store(store.uri)
        for folder in (Path.cwd(), Path(tempfile.gettempdir())):
            check_space(folder, archive.num_bytes)
        task = progress.add_task("checking", total=archive.num_bytes)
        archive.verify(lambda num_bytes: progress.advance(task, num_bytes))
        num_runs = len(archive.manifest.runs)
        task = progress.add_task("importing runs", total=num_runs)
        for done in import_runs(archive, store, result):
            progress.update(task, completed=done)
    if as_json:
        print(json.dumps(summarize(result), indent=2))
    else:
        _print_result(result)


def _print_result(result: "ImportResult") -> None:
    for name, run_id in result.imported[:MAX_LISTED]:
        typer.echo(f"{run_id[:8]}  {name}")
    if len(result.imported) > MAX_LISTED:
        typer.echo(f"… and {len(result.imported) - MAX_LISTED} more")
    count = len(result.imported)
    known = f", {len(result.known)} left out, which the store has already" if result.known else ""
    typer.echo(f"{count} {'run' if count == 1 else 'runs'} imported{known}")
