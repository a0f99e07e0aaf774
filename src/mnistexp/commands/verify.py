"""`mnistexp verify`: whether the experiments reach what is expected."""

from typing import TYPE_CHECKING, Annotated, Literal

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
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("experiment", "expected", "reached", "n", "", "seconds"):
        justify: Literal["left", "right"] = "right" if title in ("n", "seconds") else "left"
        table.add_column(title, justify=justify, overflow="fold")
    for result in results:
        reached = "diverged" if not result.test_accuracies else result.mean_and_std("test_accuracy")
        seconds = result.median("seconds")
        table.add_row(
            result.experiment,
            str(result.expectation),
            reached,
            str(len(result.runs)),
            "[green]met[/green]" if result.is_met else "[red]missed[/red]",
            "–" if seconds is None else f"{seconds:.1f}",
        )
    Console().print(table)
