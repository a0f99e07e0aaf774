"""`mnistexp ensemble`: make one model of several runs."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Json, Uri, complete_runs
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.experiment.ensemble import EnsembleResult

ACCURACIES = {"val_accuracy": "validation accuracy", "test_accuracy": "test accuracy"}


def ensemble(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…",
            help="Runs by id or name, or a sweep: its finished runs.",
            autocompletion=complete_runs,
        ),
    ],
    as_json: Json = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Make one model of several runs: the mean of their probabilities.

    It becomes a run of its own, which evaluate, predict, serve and compare use like any other.
    """
    from contextlib import redirect_stdout
    from sys import stderr, stdout

    from mnistexp.experiment.ensemble import run_ensemble
    from mnistexp.runs.run_tables import open_run_store

    # With --json, standard output is for the result only.
    with redirect_stdout(stderr if as_json else stdout):
        result = run_ensemble(open_run_store(experiment, uri), names)
    if as_json:
        members = [run.run_id for run in result.members]
        print(
            json.dumps(
                {"name": result.name, "run_id": result.run_id, "members": members}
                | {"metrics": dict(result.metrics)},
                indent=2,
            )
        )
    else:
        _print_result(result)


def _print_result(result: "EnsembleResult") -> None:
    """Print the accuracies of the members and of the ensemble."""
    from mnistexp.tables import Column, Table

    shown = [metric for metric in ACCURACIES if metric in result.metrics]
    titles = [Column("run", is_text=True), *(Column(ACCURACIES[metric]) for metric in shown)]
    rows = [
        [name, *(f"{metrics[metric]:.4f}" if metric in metrics else "–" for metric in shown)]
        for name, metrics in (
            *((run.name, run.metrics) for run in result.members),
            (result.name, result.metrics),
        )
    ]
    Table(titles, rows).print()
    print(f"run id  {result.run_id or 'not in the store yet'}")
