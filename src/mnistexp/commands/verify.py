"""`mnistexp verify`: run experiments and compare their results with the expected ones."""

from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups

if TYPE_CHECKING:
    from mnistexp.verification import ExperimentResult


def verify(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Groups of experiments, or experiments: lab, 3_0_conv, lab=3_0_conv.",
            autocompletion=lambda incomplete: _complete_names(incomplete),
        ),
    ],
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of seeds of each experiment: 0, 1, …")
    ] = 1,
) -> None:
    """Run experiments that have no finished run yet, and compare results with expected ones.

    The exit code is 1 if an expectation is missed.
    """
    from mnistexp.tracking import check_tracking
    from mnistexp.verification import collect_results, find_experiments, plan_runs, run_missing

    planned = plan_runs(find_experiments(names), seeds)
    check_tracking(planned[0].config.tracking)
    run_missing(planned, lambda run: print(" ".join(run.overrides), flush=True))
    results = collect_results(planned)
    _print_table(results)
    if not all(result.is_met for result in results):
        raise typer.Exit(1)


def _complete_names(start: str) -> list[str]:
    """Return the names of groups and experiments that start with a text."""
    groups = {
        group: options for group, options in list_groups().items() if group in EXPERIMENT_GROUPS
    }
    names = [*groups, *(option for options in groups.values() for option in options)]
    return [name for name in names if name.startswith(start)]


def _print_table(results: "list[ExperimentResult]") -> None:
    from mnistexp.tables import Cell, Column, Table

    titles = ("experiment", "expected", "test accuracy", "n", "", "seconds")
    columns = [Column(title, is_text=title not in ("n", "seconds")) for title in titles]
    rows: list[list[Cell | str]] = []
    for result in results:
        seconds = result.median("seconds")
        rows.append(
            [
                result.experiment,
                str(result.expectation),
                result.accuracy_text,
                str(len(result.runs)),
                Cell("met", style="green") if result.is_met else Cell("missed", style="red"),
                "–" if seconds is None else f"{seconds:.1f}",
            ]
        )
    Table(columns, rows).print()
