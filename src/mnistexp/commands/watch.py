"""`mnistexp watch`: the six panels of a run that trains, or the replay of one that did."""

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
            "Default: the newest one here.",
            autocompletion=complete_runs,
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="A page in the browser even where there is a display.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write the last picture (.png) or the movie (.mp4, .gif), and open nothing."
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Times as fast as it was trained. Default: at most 30 seconds; a movie has a "
            "frame for each moment.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Of the page on 127.0.0.1. Default: from 8800."),
    ] = None,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
    until_end: Annotated[bool, typer.Option("--until-end", hidden=True)] = False,
) -> None:
    """Watch a run: live while it trains, or again. Press ? there for the keys."""
    from mnistexp.analysis.find_recording import find_recording
    from mnistexp.analysis.run_tables import open_run_store
    from mnistexp.dashboard.recorded_run import RecordedRun, check_savable
    from mnistexp.dashboard.watch import open_view

    if save is not None:
        check_savable(save)
    film = RecordedRun(find_recording(run, open_run_store(experiment, uri)))
    if film.recording.fault:
        typer.echo(f"{film.recording.file}: {film.recording.fault}; shown up to there", err=True)
    if save is None:
        open_view(film, speed, web=web, port=port, until_end=until_end)
    else:
        _save(film, save, speed)


def _save(film: "RecordedRun", file: Path, speed: float | None) -> None:
    from rich.progress import Progress

    from mnistexp.dashboard.recorded_run import save

    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"drawing {file.name}")
        for done, total in save(film, file, speed):
            bar.update(task, completed=done, total=total)
    typer.echo(f"{file}: {total} {'pictures' if total > 1 else 'picture'}")
