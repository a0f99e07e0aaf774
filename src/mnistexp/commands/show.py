"""`mnistexp show`: everything that is recorded about one run."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from mnistexp.commands.options import Experiment, Json, RunName, Uri
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.tracking import RunRecord, RunStore

KERAS_REMARK = "# What TensorFlow prints at its import are notices, not errors."
MAX_WHOLE = 1e15
"""Larger numbers are not written with all digits."""
REASON_TITLES = {
    "failed": "Why it failed",
    "killed": "Why it was killed",
    "pruned": "Why it was pruned",
}


def show(
    run: RunName,
    as_json: Json = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Show one run: command, status, why it failed, metrics, files, weights, and the config."""
    from mnistexp.runs.run_selection import select_record
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    details = _read_details(store, select_record(store, run))
    if as_json:
        print(json.dumps(details, indent=2))
    else:
        _print_details(details)


def _read_details(store: "RunStore", run: "RunRecord") -> dict[str, Any]:
    from mnistexp.experiment.resumption import can_continue
    from mnistexp.runs.run_files import find_run_files, loading_code
    from mnistexp.tracking import COMMAND_TAG, ENDED_AT

    files = find_run_files(store, run)
    traceback = store.artifact(run.run_id, "traceback.txt")
    config = store.artifact(run.run_id, "config.yaml")
    return {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status.lower(),
        "ended_at": run.tags.get(ENDED_AT),
        "started": run.started.isoformat(" ", timespec="seconds"),
        "command": run.tags.get(COMMAND_TAG),
        "sweep": run.parent,
        "reason": run.tags.get("reason") or None,
        "resume": f"mnistexp resume {run.run_id[:8]}" if can_continue(store, run) else None,
        "traceback": None if traceback is None else traceback.decode(),
        "config": None if config is None else config.decode(),
        "metrics": dict(sorted(run.metrics.items())),
        "files": {"artifacts": files.artifacts, "model": files.model, "output": files.output},
        "load": list(loading_code(files)),
    }


def _print_details(details: Mapping[str, Any]) -> None:
    """Print the details; long lines are not broken, so that they can be copied."""
    typer.echo(details["name"])
    status = " ".join(filter(None, [details["status"], details["ended_at"]]))
    for name, value in {**details, "status": status}.items():
        if name in ("run_id", "status", "started", "sweep", "command") and value is not None:
            typer.echo(f"{name.replace('_', ' '):<9} {value}")
    if details["status"] in REASON_TITLES:
        resume = f"To continue it: {details['resume']}" if details["resume"] else ""
        reason = "\n".join(filter(None, [details["reason"], resume]))
        _print_section(REASON_TITLES[details["status"]], reason)
    width = max((len(name) for name in details["metrics"]), default=0)
    values = {name: _format_metric(value) for name, value in details["metrics"].items()}
    metrics = [f"{name:<{width}}  {value}" for name, value in values.items()]
    _print_section("Metrics", "\n".join(metrics))
    files = [f"{name:<9}  {place}" for name, place in details["files"].items() if place]
    _print_section("Files", "\n".join(files))
    remark = [KERAS_REMARK] if any("import keras" in line for line in details["load"]) else []
    _print_section("The model without mnistexp, in Python", "\n".join([*remark, *details["load"]]))
    _print_section("Traceback", details["traceback"])
    _print_section("Config", details["config"])


def _format_metric(value: float) -> str:
    """Return `79,510`, or six digits of a number that is not whole: `0.9838`."""
    is_whole = value.is_integer() and abs(value) < MAX_WHOLE
    return f"{value:,.0f}" if is_whole else f"{value:.6g}"


def _print_section(title: str, text: str | None) -> None:
    if text:
        indented = "\n".join(f"  {line}" for line in text.rstrip().splitlines())
        typer.echo(f"\n{title}\n{indented}")
