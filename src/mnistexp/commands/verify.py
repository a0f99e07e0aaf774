"""`mnistexp verify`: run experiments and compare their results with the expected ones."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Wide, complete_experiments
from mnistexp.errors import ConfigError

if TYPE_CHECKING:
    from mnistexp.verification import ExperimentResult, PlannedRun


def verify(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Groups of experiments, or experiments: lab, 3_0_conv, lab=3_0_conv.",
            autocompletion=complete_experiments,
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
        describe_plan,
        find_experiments,
        missing_runs,
        plan_runs,
    )
    from mnistexp.verification.results_page import print_results

    planned, errors = plan_runs(find_experiments(names), seeds)
    if not planned:
        raise ConfigError("\n".join(map(str, errors)))
    for error in errors:
        print(f"not verified: {error}", file=sys.stderr, flush=True)
    check_tracking(planned[0].config.tracking)
    missing = missing_runs(planned)
    print(describe_plan(len(planned), missing), flush=True)
    _run_all(missing)
    results = collect_results(planned)
    print_results(results, wide=wide)
    _print_record(planned, results)
    if not all(isinstance(error, NoExpectation) for error in errors):
        raise typer.Exit(2)
    if not all(result.is_met for result in results):
        raise typer.Exit(1)


def _print_record(planned: "Sequence[PlannedRun]", results: "Sequence[ExperimentResult]") -> None:
    """Print each seed of the experiments of `record`, and which other runs read test images."""
    from rich import get_console

    from mnistexp.tables import print_folded
    from mnistexp.tracking import MlflowTracking, RunStore
    from mnistexp.verification.record_protocol import (
        describe_earlier_looks,
        describe_seeds,
        find_earlier_looks,
        is_record,
    )

    shown = [result for result in results if is_record(result.experiment)]
    tracking = planned[0].config.tracking
    if not shown or not isinstance(tracking, MlflowTracking):
        return
    runs = RunStore(tracking).runs()
    first = {plan.experiment: plan for plan in reversed(planned)}
    for result in shown:
        print_folded(get_console(), describe_seeds(result))
        looks = find_earlier_looks(first[result.experiment], runs)
        if looks:
            print_folded(get_console(), describe_earlier_looks(result.experiment, looks))


def _run_all(missing: "Sequence[PlannedRun]") -> None:
    """Run experiments one after the other; print the number and the time left before each."""
    from mnistexp.sweeps.progress import format_duration
    from mnistexp.verification import run_planned

    begin = time.monotonic()
    for number, run in enumerate(missing):
        line = f"run {number + 1} of {len(missing)}: {' '.join(run.overrides)}"
        if number:
            seconds = (time.monotonic() - begin) / number * (len(missing) - number)
            line += f", about {format_duration(seconds)} left"
        print(line, flush=True)
        run_planned(run)
