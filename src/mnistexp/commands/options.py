"""Arguments and options that several commands share, so that they are the same words everywhere."""

from typing import Annotated

import typer

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Runs or sweeps by id or name, or experiments: lab, 3_0_conv. Default: the last sweep."
    ),
]
Where = Annotated[
    str, typer.Option(help="Only runs for which it holds: 'model = conv and test_accuracy > 0.99'.")
]
Uri = Annotated[
    str | None,
    typer.Option(help="The store. Default: MLFLOW_TRACKING_URI, else mlflow.db here."),
]
Experiment = Annotated[str, typer.Option(help="The MLflow experiment.")]
ModelWord = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Id or name of a run, best (by validation accuracy), NAME@ALIAS or NAME/VERSION.",
    ),
]
