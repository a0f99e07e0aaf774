"""`mnistexp rerun`: train a run again, and compare the results."""

import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnistexp.commands.options import Experiment, Json, RunName, Uri
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from mnistexp.tracking import RunRecord
    from mnistexp.verification.rerun import Comparison, Difference

MAX_LISTED = 12
"""Differing results that are printed."""
SAME_CIRCUMSTANCES = (
    "Packages, device, threads, code and data are those of the run. On a GPU, equal results need "
    "device.deterministic=true; a processor of another kind may round differently."
)


def rerun(
    run: RunName,
    print_command: Annotated[
        bool,
        typer.Option("--print", help="Only print the command that makes the run."),
    ] = False,
    as_json: Json = False,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Train a run again from its logged config, and compare the results. Nothing is recorded.

    The exit code is 0 if the weights and all metrics except times are identical, else 1.
    """
    from mnistexp.runs.logged_config import with_recorded_threads
    from mnistexp.runs.run_selection import select_run
    from mnistexp.runs.run_tables import open_run_store
    from mnistexp.verification.recorded_command import command_of_run
    from mnistexp.verification.rerun import (
        compare_circumstances,
        compare_results,
        read_logged_config,
        train_again,
    )

    store = open_run_store(experiment, uri)
    found = select_run(store, run)
    config = read_logged_config(store, found)
    if print_command:
        typer.echo(command_of_run(found, config))
        return
    circumstances = compare_circumstances(store, found, config)
    _print_differences("Not as in the recorded run:", circumstances)
    # Standard output is for the comparison, which may be JSON.
    with redirect_stdout(sys.stderr):
        result = train_again(found, with_recorded_threads(config, found))
    comparison = compare_results(store, found, result, circumstances)
    if as_json:
        typer.echo(json.dumps(_to_dict(found, comparison), indent=2))
    else:
        _print_comparison(found, comparison)
    if not comparison.is_identical:
        raise typer.Exit(1)


def _print_comparison(run: "RunRecord", comparison: "Comparison") -> None:
    if comparison.is_identical:
        typer.echo(
            f"identical: the weights and {comparison.num_values - 1:,} values of metrics equal "
            f"those of {run.name}, run {run.run_id}"
        )
        return
    typer.echo(f"different from {run.name}, run {run.run_id}:")
    for difference in comparison.results[:MAX_LISTED]:
        typer.echo(f"  {difference}")
    if len(comparison.results) > MAX_LISTED:
        typer.echo(f"  … and {len(comparison.results) - MAX_LISTED} more metrics")
    if comparison.circumstances:
        typer.echo("What else differs, and may be the reason:")
        for difference in comparison.circumstances:
            typer.echo(f"  {difference}")
    else:
        typer.echo(SAME_CIRCUMSTANCES)


def _print_differences(title: str, differences: "list[Difference]") -> None:
    """Print differences to standard error before the training, which may take long."""
    for number, difference in enumerate(differences):
        typer.echo(f"{title if not number else ' ' * len(title)} {difference}", err=True)


def _to_dict(run: "RunRecord", comparison: "Comparison") -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "identical": comparison.is_identical,
        "num_values": comparison.num_values,
        "results": [vars(difference) for difference in comparison.results],
        "circumstances": [vars(difference) for difference in comparison.circumstances],
    }
