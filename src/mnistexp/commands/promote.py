"""`mnistexp promote`: move an alias such as `champion` to a model."""

import re
from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.errors import ConfigError, ModelError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT


def promote(
    model: RunName,
    name: Annotated[
        str, typer.Option(help="Name in the registry. Default: the name that the model has there.")
    ] = "",
    alias: Annotated[str, typer.Option(help="The alias that is moved to the model.")] = "champion",
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Move the alias `champion` to a model; register the model first if it is not registered."""
    _check_name("--name", name)
    _check_name("--alias", alias)

    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store
    from mnistexp.tracking.model_registry import promote_model, registered_names

    store = open_run_store(experiment, uri)
    stored = select_model(store, model, where)
    if not name:
        names = registered_names(store, stored)
        if len(names) != 1:
            received = f"several, {', '.join(names)}" if names else "a model that is not registered"
            raise ModelError(f"--name: expected a name for {model}. Received: {received}")
        name = names[0]
    version = promote_model(store, stored, name, alias)
    print(f"{name}@{alias} is version {version} now: {stored.run_name}, run {stored.run_id}")


def _check_name(option: str, name: str) -> None:
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ConfigError(
            f"{option}: expected a letter or digit, then letters, digits or any of . _ -. "
            f"Received: {name!r}"
        )
    if option == "--alias" and re.fullmatch(r"[vV]?\d+|latest", name):
        raise ConfigError(f"--alias: expected a name that is not a version. Received: {name!r}")
