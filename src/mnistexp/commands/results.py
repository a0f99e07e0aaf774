"""`mnistexp results`: write the results of the experiments from the runs in the store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.activity import show_activity
from mnistexp.commands.options import Wide, complete_experiments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnistexp.verification import ExperimentResult, PlannedRun

MAX_SEEDS = 10
"""Runs with the seeds 0 to 9 are read from the store."""


def results(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT …]",
            help="Experiments or groups of them. Default: all.",
            autocompletion=complete_experiments,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a Markdown page, without your own experiments. Default: print a table.",
        ),
    ] = None,
    wide: Wide = False,
) -> None:
    """Show the results of experiments, or write them to a page. Nothing is trained.

    The page of the group record has pictures and what was tried, too.
    """
    from mnistexp.errors import InputError
    from mnistexp.verification import NoExpectation, collect_results, find_experiments, plan_runs
    from mnistexp.verification.results_page import print_results

    chosen = find_experiments(names or _groups(with_own=output is None))
    with show_activity("reading the experiments", sys.stderr):
        planned, errors = plan_runs(chosen, MAX_SEEDS)
    for error in errors:
        if not isinstance(error, NoExpectation):
            print(f"not shown: {error}", file=sys.stderr)
    with show_activity("reading the store", sys.stderr):
        found = collect_results(planned)
    if not found:
        raise InputError(
            "results: expected runs of experiments in the store. Received: none. "
            f"Run some: mnistexp verify {' '.join(names or ['lab'])}"
        )
    if output is None:
        print_results(found, wide=wide)
    else:
        _write(output, found, planned)
        typer.echo(f"{output}: {len(found)} experiments")


def _groups(*, with_own: bool) -> list[str]:
    """Return the groups of experiments. with_own: with the user's, not of the package only."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups

    available = list_groups()
    return [
        name for name in EXPERIMENT_GROUPS if name in available and (with_own or name != "user")
    ]


def _write(
    output: Path, results: "Sequence[ExperimentResult]", planned: "Sequence[PlannedRun]"
) -> None:
    from mnistexp.tracking import MlflowTracking, RunStore
    from mnistexp.verification.record_page import write_record_page
    from mnistexp.verification.record_protocol import is_record
    from mnistexp.verification.results_page import format_results_page

    tracking = planned[0].config.tracking
    assert isinstance(tracking, MlflowTracking)  # The results come from its store.
    if all(is_record(plan.experiment) for plan in planned):
        write_record_page(output, results, planned, RunStore(tracking))
    else:
        output.write_text(format_results_page(results))
