"""Which model a few words mean."""

import re
from typing import TYPE_CHECKING

from mnistexp.errors import ModelError, did_you_mean
from mnistexp.tracking import MlflowTracking, StoredModel, model_of_run, registered_model

if TYPE_CHECKING:
    import pandas

BEST = "best"
MIN_ID_LENGTH = 4
"""Characters of an id that may stand for it."""


def find_model(word: str, tracking: MlflowTracking, where: str = "") -> StoredModel:
    """The model that a word names.

    Args:
        word: the id of a run or how it begins, the name of a run (of several, the one that was
            started last), `best` for the finished run of the highest validation accuracy, or a
            registered model, `digits/3` by version or `digits@champion` by alias.
        tracking: the store and the experiment; a whole id is found in every experiment.
        where: conditions for the run, as of `mnistexp.analysis.filter_runs`.

    Raises:
        ModelError: it names no model, or ids of several runs begin so.
        TrackingError: there is no such store or experiment.
    """
    registered = re.fullmatch(r"(?P<name>[^/@]+)[/@](?P<version>[^/@]+)", word)
    if registered:
        return registered_model(tracking, registered["name"], registered["version"])
    if re.fullmatch(r"[0-9a-f]{32}", word):
        return _model_of(word, tracking)

    from mnistexp.analysis import load_runs

    runs = load_runs(where, experiment=tracking.experiment, uri=tracking.uri)
    runs = runs[runs["tags.kind"] != "sweep"]
    return _best(runs, tracking) if word == BEST else _named(runs, word, tracking)


def _model_of(run_id: str, tracking: MlflowTracking) -> StoredModel:
    model = model_of_run(tracking, run_id)
    if model is None:
        raise ModelError(
            f"{run_id}: expected a run with a model. Received: one without; it has failed, or was "
            "started with tracking.log_model=false"
        )
    return model


def _best(runs: "pandas.DataFrame", tracking: MlflowTracking) -> StoredModel:
    """By validation accuracy, among the finished runs that have logged a model."""
    if "val_accuracy" not in runs:
        raise ModelError("best: expected a run with a validation accuracy. Received: none")
    finished = runs[(runs["status"] == "FINISHED") & runs["val_accuracy"].notna()]
    ranked = finished.sort_values("val_accuracy", ascending=False, kind="stable")
    models = (model_of_run(tracking, run_id) for run_id in ranked["run_id"])
    best = next((model for model in models if model is not None), None)
    if best is None:
        raise ModelError(
            "best: expected a finished run with a model and a validation accuracy. Received: none. "
            "Train one, or look elsewhere with --where, --experiment or --uri"
        )
    return best


def _named(runs: "pandas.DataFrame", word: str, tracking: MlflowTracking) -> StoredModel:
    named = runs[runs["name"] == word]
    if named.empty and len(word) >= MIN_ID_LENGTH:
        named = runs[runs["run_id"].str.startswith(word)]
        if len(named) > 1:
            ids = ", ".join(named["run_id"])
            raise ModelError(f"{word}: expected the beginning of one run's id. Received: {ids}")
    if named.empty:
        raise ModelError(_nothing(runs, word))
    models = [model_of_run(tracking, run_id) for run_id in named["run_id"]]
    found = [model for model in models if model is not None]
    # Runs of equal names are repetitions; the last one is meant.
    return found[-1] if found else _model_of(str(named["run_id"].iloc[-1]), tracking)


def _nothing(runs: "pandas.DataFrame", word: str) -> str:
    return (
        f"{word}: expected the id or the name of a run, best, or a registered model NAME@ALIAS or "
        f"NAME/VERSION. Received: {word!r}.{did_you_mean(word, [BEST, *runs['name'].unique()])}"
    )
