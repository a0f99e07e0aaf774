"""Arguments and options that several commands share, with the same meaning everywhere."""

from typing import Annotated

import typer

from mnistexp.tracking.config import DEFAULT_EXPERIMENT

RUN_HELP = (
    "A run by id or name, an experiment (3_0_conv), best (by validation accuracy), "
    "or a registered model: NAME@ALIAS, NAME/VERSION."
)


def complete_experiments(incomplete: str) -> list[str]:
    """Return the names of groups and experiments that start with a text."""
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups

    groups = {group: names for group, names in list_groups().items() if group in EXPERIMENT_GROUPS}
    names = [*groups, *(option for options in groups.values() for option in options)]
    return [name for name in names if name.startswith(incomplete)]


def complete_runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the completions of a run: runs (newest first), registered models and experiments.

    Only a local store is read, and without MLflow, whose import takes seconds.
    """
    from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
    from mnistexp.tracking.mlflow_private import list_model_aliases, list_run_names
    from mnistexp.tracking.store import sqlite_file, tracking_uri

    groups = {group: names for group, names in list_groups().items() if group in EXPERIMENT_GROUPS}
    database = sqlite_file(tracking_uri(ctx.params.get("uri")))
    runs, models = [], []
    if database is not None:
        runs = list_run_names(database, ctx.params.get("experiment") or DEFAULT_EXPERIMENT)
        models = list_model_aliases(database)
    found = [
        "best",
        *dict.fromkeys(name for name, _ in runs),
        *(f"{name}@{alias}" for name, alias in models),
        *groups,
        *(name for names in groups.values() for name in names),
        *(run_id for _, run_id in runs if incomplete),
    ]
    return [name for name in found if name.startswith(incomplete)]


RunNames = Annotated[
    list[str] | None,
    typer.Argument(
        help="Runs or sweeps by id or name, experiments (lab, 3_0_conv), or best. "
        "Default: the last sweep.",
        autocompletion=complete_runs,
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP, autocompletion=complete_runs)]
Where = Annotated[
    str,
    typer.Option(
        help="Use only runs that match a filter: 'model = conv and test_accuracy > 0.99'."
    ),
]
Uri = Annotated[
    str | None,
    typer.Option(
        help="The tracking store. Default: MLFLOW_TRACKING_URI, else mlflow.db in this folder."
    ),
]
Experiment = Annotated[str, typer.Option(help="The MLflow experiment.")]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="Show all columns and full names, also beyond the terminal."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
