"""`mnistexp resume`: continue a run from its last checkpoint."""

from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, RunName, Uri
from mnistexp.tracking.config import DEFAULT_EXPERIMENT


def resume(
    run: RunName,
    length: Annotated[
        list[str] | None,
        typer.Argument(help="Another length: train.epochs=20 or train.steps=5000."),
    ] = None,
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Continue a run that was killed or has failed, or train one longer.

    On a CPU the weights and metrics are those of a run without an interruption. With another length
    it is a new run, and the old one is kept.
    """
    from mnistexp.experiment.resumption import plan_resumption
    from mnistexp.runs.run_selection import select_run
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    found = select_run(store, run)
    config, source, resumption = plan_resumption(store, found, length or [])

    from mnistexp.commands.summary import print_summary
    from mnistexp.experiment import run_experiment

    result = run_experiment(config, source, resumption)
    print_summary(result, source)
    result.viewer.wait()
