"""`mnistexp list`: the runs of the store, the newest first."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from mnistexp.commands.options import Experiment, Json, Uri, Where, Wide
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

DEFAULT_LIMIT = 20


def list_(
    where: Where = "",
    failed: Annotated[
        bool, typer.Option("--failed", help="Only runs that failed or were killed.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="Only runs on this data set: mnist, fashion_mnist.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Show at most this many runs.")
    ] = DEFAULT_LIMIT,
    show_all: Annotated[bool, typer.Option("--all", help="Show all runs.")] = False,
    wide: Wide = False,
    as_json: Json = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """List the runs, the newest first: status, accuracy, and what was altered."""
    from mnistexp.runs.run_list import count_jobs, describe_runs, list_runs
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    runs = list_runs(store, where, failed=failed, data=data)
    shown = runs if show_all else runs[:limit]
    entries = describe_runs(shown, count_jobs(store.runs()))
    if as_json:
        print(json.dumps(entries, indent=2))
        return
    if not entries:
        print("No run matches." if where or failed or data else "There are no runs yet.")
        return
    print_entries(entries, wide=wide)
    if len(shown) < len(runs):
        print(f"… and {len(runs) - len(shown)} older: mnistexp list --all")


def print_entries(entries: Sequence[Mapping[str, Any]], *, wide: bool = False) -> None:
    """Print a table of entries of `describe_runs`. wide: with all names in full."""
    from mnistexp.tables import Column, Table

    titles = ("started", "status", "val", "test", "id")
    columns = [
        Column("name", is_text=True, num_kept_parts=2),  # Model and optimizer.
        *map(Column, titles),
        Column("about", is_below=True),
    ]
    rows = [
        [
            entry["name"],
            f"{datetime.fromisoformat(entry['started']):%m-%d %H:%M}",
            entry["status"],
            _format_accuracy(entry["val_accuracy"]),
            _format_accuracy(entry["test_accuracy"]),
            entry["run_id"][:8],
            _describe(entry),
        ]
        for entry in entries
    ]
    Table(columns, rows).print(wide=wide)


def _describe(entry: Mapping[str, Any]) -> str:
    from mnistexp.runs.run_list import shorten_reason, unnamed_differences

    parts = unnamed_differences(entry)
    if entry["num_jobs"] is not None:
        num_jobs = entry["num_jobs"]
        parts.append(f"sweep of {num_jobs} run{'' if num_jobs == 1 else 's'}")
    parts.append(_describe_ending(entry["ended_at"] or "", shorten_reason(entry["reason"] or "")))
    return "  ".join(filter(None, parts))


def _describe_ending(ended_at: str, reason: str) -> str:
    """Return the reason with the step, which is named once: `became nan at step 4 of 550: …`."""
    if ended_at in reason:
        return reason
    step = re.escape(ended_at.partition(" of ")[0])
    combined, is_named = re.subn(rf"{step}(?![\d,])", ended_at, reason, count=1)
    return combined if is_named else f"{ended_at}  {reason}".strip()


def _format_accuracy(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
