"""`mnistexp watch`: show the dashboard of a run, during its training or afterwards."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Uri, complete_runs
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.dashboard.recorded_run import RecordedRun


def watch(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A run (id, name, experiment, best), its folder, or a recording. "
            "Default: the newest recording below runs/.",
            autocompletion=complete_runs,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write the last picture (.png) or a movie (.mp4, .gif) instead of serving a page."
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Speed of a replay or movie, as a multiple of the training's speed. "
            "Default: a replay of at most 30 seconds; a movie with one picture per frame.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of the page on 127.0.0.1. Default: a free one from 8800."
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address of the page.")
    ] = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
    until_end: Annotated[bool, typer.Option("--until-end", hidden=True)] = False,
) -> None:
    """Show a run during its training, or replay it. Press ? on the page to list the keys."""
    from mnistexp.dashboard.export import check_export_file
    from mnistexp.runs.find_recording import find_recorded_run
    from mnistexp.runs.run_tables import open_run_store

    if save is not None:
        check_export_file(save)
    recorded_run = find_recorded_run(run, open_run_store(experiment, uri))
    recording = recorded_run.recording
    if recording.fault:
        typer.echo(f"{recording.file}: {recording.fault}. The complete frames are shown", err=True)
    if save is not None:
        _export(recorded_run, save, speed)
        return
    from mnistexp.dashboard.web_app import serve_viewer

    serve_viewer(recorded_run, speed, port, browser=not no_browser, until_end=until_end)


def _export(recorded_run: "RecordedRun", file: Path, speed: float | None) -> None:
    from rich.progress import Progress

    from mnistexp.dashboard.export import export

    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(f"drawing {file.name}")
        for done, total in export(recorded_run, file, speed):
            progress.update(task, completed=done, total=total)
    typer.echo(f"{file}: {total} {'pictures' if total > 1 else 'picture'}")
