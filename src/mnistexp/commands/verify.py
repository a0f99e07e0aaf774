"""`mnistexp verify`: whether the experiments reach what is expected."""

from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups

if TYPE_CHECKING:
    from mnistexp.verification import Reached


def verify(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Groups or experiments: lab, 3_0_conv, lab=3_0_conv.",
            autocompletion=lambda incomplete: _names(incomplete),
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each, with seeds 0, 1, …")] = 1,
) -> None:
    """Run experiments that have no finished run yet, and compare them with what is expected.

    Ends with exit code 1 where an expectation is missed.
    """
    from mnistexp.tracking import check_tracking
    from mnistexp.verification import find_experiments, plan
    from mnistexp.verification import verify as do_verify

    jobs = plan(find_experiments(names), seeds)
    check_tracking(jobs[0].config.tracking)
    results = list(do_verify(jobs, lambda job: print(" ".join(job.overrides), flush=True)))
    _print_table(results)
    if not all(result.is_met for result in results):
        raise typer.Exit(1)


def _names(begun: str) -> list[str]:
    """Groups and experiments, for the shell to complete."""
    groups = {
        group: options for group, options in list_groups().items() if group in EXPERIMENT_GROUPS
    }
    names = [*groups, *(option for options in groups.values() for option in options)]
    return [name for name in names if name.startswith(begun)]


def _print_table(results: "list[Reached]") -> None:
    from mnistexp.tables import Cell, Column, Table

    titles = ("experiment", "expected", "reached", "n", "", "seconds")
    columns = [Column(title, is_text=title not in ("n", "seconds")) for title in titles]
    rows: list[list[Cell | str]] = []
    for result in results:
        reached = "diverged" if not result.test_accuracies else result.mean_and_std("test_accuracy")
        seconds = result.median("seconds")
        rows.append(
            [
                result.experiment,
                str(result.expectation),
                reached,
                str(len(result.runs)),
                Cell("met", style="green") if result.is_met else Cell("missed", style="red"),
                "–" if seconds is None else f"{seconds:.1f}",
            ]
        )
    Table(columns, rows).print()
