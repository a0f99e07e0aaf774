"""`mnistexp promote`: the model that is the champion from now on."""

from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, ModelWord, Uri, Where
from mnistexp.errors import ConfigError, ModelError


def promote(
    model: ModelWord,
    name: Annotated[
        str, typer.Option(help="In the registry. Default: that which the model has there already.")
    ] = "",
    alias: Annotated[str, typer.Option(help="What is moved to the model.")] = "champion",
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = "mnistexp",
) -> None:
    """Move the alias `champion` of a registered name to a model, and register it if need be."""
    _check_word("--name", name)
    _check_word("--alias", alias)

    from mnistexp.analysis import tracking_of
    from mnistexp.inference import find_model
    from mnistexp.tracking import MlflowTracking, StoredModel, names_of_model, promote_model

    def known_name(tracking: MlflowTracking, stored: StoredModel) -> str:
        names = names_of_model(tracking, stored)
        if len(names) != 1:
            received = f"several, {', '.join(names)}" if names else "a model that is not registered"
            raise ModelError(f"--name: expected a name for {model}. Received: {received}")
        return names[0]

    tracking = tracking_of(experiment, uri)
    stored = find_model(model, tracking, where)
    chosen = name or known_name(tracking, stored)
    version = promote_model(tracking, stored, chosen, alias)
    print(f"{chosen}@{alias} is version {version} now: {stored.run_name}, run {stored.run_id}")


def _check_word(option: str, word: str) -> None:
    import re

    if word and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", word):
        raise ConfigError(
            f"{option}: expected letters, digits and any of . _ - behind them. Received: {word!r}"
        )
    if option == "--alias" and re.fullmatch(r"[vV]?\d+|latest", word):
        raise ConfigError(f"--alias: expected a word that is no version. Received: {word!r}")
