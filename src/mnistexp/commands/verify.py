"""`mnistexp verify`: run experiments and compare their results with the expected ones."""

import sys
from typing import Annotated

import typer

from mnistexp.commands.options import Wide
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.errors import ConfigError


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
    wide: Wide = False,
) -> None:
    """Run experiments that have no finished run yet, and compare results with expected ones.

    The exit code is 1 if an expectation is missed, and 2 if a file is broken.
    """
    from mnistexp.tracking import check_tracking
    from mnistexp.verification import (
        NoExpectation,
        collect_results,
        find_experiments,
        plan_runs,
        run_missing,
    )
    from mnistexp.verification.results_page import tabulate_results

    planned, errors = plan_runs(find_experiments(names), seeds)
    if not planned:
        raise ConfigError("\n".join(map(str, errors)))
    for error in errors:
        print(f"not verified: {error}", file=sys.stderr, flush=True)
    check_tracking(planned[0].config.tracking)
    run_missing(planned, lambda run: print(" ".join(run.overrides), flush=True))
    results = collect_results(planned)
    tabulate_results(results).print(wide=wide)
    if not all(isinstance(error, NoExpectation) for error in errors):
        raise typer.Exit(2)
    if not all(result.is_met for result in results):
        raise typer.Exit(1)


def _complete_names(start: str) -> list[str]:
    """Return the names of groups and experiments that start with a text."""
    groups = {
        group: options for group, options in list_groups().items() if group in EXPERIMENT_GROUPS
    }
    names = [*groups, *(option for options in groups.values() for option in options)]
    return [name for name in names if name.startswith(start)]
