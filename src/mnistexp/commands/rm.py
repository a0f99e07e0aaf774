"""`mnistexp rm`: remove runs and their files."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Json, Uri, complete_runs
from mnistexp.errors import InputError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.runs.run_removal import Removal
    from mnistexp.tracking import RunRecord, RunStore

MAX_LISTED = 15


def rm(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN…",
            help="Runs by id or name, or experiments. A sweep is removed with its runs.",
            autocompletion=complete_runs,
        ),
    ] = None,
    where: Annotated[
        str, typer.Option(help="Remove runs that match a filter: 'test_accuracy < 0.5'.")
    ] = "",
    failed: Annotated[
        bool, typer.Option("--failed", help="Remove runs that failed or were killed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Remove runs with their models and files. It lists them and asks before it removes anything.

    MLflow keeps the settings and metrics of a removed run until: mlflow gc. The files are gone.
    """
    from mnistexp.runs.run_removal import plan_removal, remove
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    removal = plan_removal(store, _select(store, names or [], where, failed))
    _print_plan(removal)
    if removal.runs and (yes or _confirm()):
        remove(store, removal)
        _print_result(removal, as_json)
    elif as_json:
        print(json.dumps({"removed": [], "freed_bytes": 0, "kept": []}))
    else:
        print("Nothing was removed.")


def _confirm() -> bool:
    """Ask whether to remove the runs.

    Raises:
        InputError: there is no answer, since the input has ended.
    """
    try:
        return typer.confirm("Remove them?", err=True)
    except typer.Abort as abort:
        if sys.stdin.isatty():
            raise KeyboardInterrupt from abort
        typer.echo(err=True)  # The question has no line break.
        raise InputError(
            "expected an answer, y or n. Received: the end of the input. Use --yes to remove "
            "without a question"
        ) from abort


def _select(store: "RunStore", names: list[str], where: str, failed: bool) -> "list[RunRecord]":
    from mnistexp.runs.run_filter import filter_runs
    from mnistexp.runs.run_list import has_failed
    from mnistexp.runs.run_selection import select_records

    if not names and not where and not failed:
        raise InputError(
            "expected runs, --where or --failed. Received: none. mnistexp list shows the runs"
        )
    found = select_records(store, names, where) if names else filter_runs(store.runs(), where)
    return [run for run in found if not failed or has_failed(run)]


def _print_plan(removal: "Removal") -> None:
    """Print the runs to standard error, which is not part of the result."""
    for run in removal.runs[:MAX_LISTED]:
        typer.echo(f"{run.run_id[:8]}  {run.started:%Y-%m-%d %H:%M}  {run.name}", err=True)
    if len(removal.runs) > MAX_LISTED:
        typer.echo(f"… and {len(removal.runs) - MAX_LISTED} more", err=True)
    for name, version in removal.registered:
        typer.echo(f"Also removed: the registered model {name}/{version}", err=True)
    typer.echo(f"{_count(removal)}, {_format_size(removal.num_bytes)} of files", err=True)


def _print_result(removal: "Removal", as_json: bool) -> None:
    if as_json:
        ids = [run.run_id for run in removal.runs]
        result = {"removed": ids, "freed_bytes": removal.num_bytes, "kept": list(removal.kept)}
        print(json.dumps(result, indent=2))
        return
    print(f"Removed {_count(removal)}, {_format_size(removal.num_bytes)} freed.")
    for location in removal.kept:
        print(f"Not removed, because it is not in mlruns or runs beside the store: {location}")


def _count(removal: "Removal") -> str:
    return "1 run" if len(removal.runs) == 1 else f"{len(removal.runs)} runs"


def _format_size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB"
