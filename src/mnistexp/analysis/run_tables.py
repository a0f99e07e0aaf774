"""Runs and their histories as tidy tables of pandas."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.run_filter import filter_runs
from mnistexp.tracking import MlflowTracking, RunRecord, existing_runs, metric_history

if TYPE_CHECKING:
    import pandas

DEFAULT_EXPERIMENT = "mnistexp"
TAGS = ("kind", "config_hash", "seedless_hash")
"""Tags that are columns even where no run has them."""
WORDS = {"None": None, "True": True, "False": False}


def load_runs(
    where: str = "", *, experiment: str = DEFAULT_EXPERIMENT, uri: str | None = None
) -> "pandas.DataFrame":
    """The runs of an experiment, one row each, in the order of their start.

    Args:
        where: which of them, `"model = conv_big and test_accuracy > 0.99"`; see `filter_runs`.
        experiment: of MLflow.
        uri: of the store. Default: MLFLOW_TRACKING_URI, else `mlflow.db` here.

    Returns:
        Columns `run_id`, `name`, `status`, `started`, `parent` (the id of the sweep's run), then
        every tag (`tags.device`), every setting under its path (`optim.learning_rate`) or, for a
        choice, its group (`model`), and the final value of every metric. Where a run has nothing
        of a column it is None or NaN.

    Raises:
        TrackingError: there is no such store or experiment.
        ConfigError: `where` cannot be read.
    """
    import pandas

    runs = existing_runs(tracking_of(experiment, uri))
    rows = [_row(run) for run in runs]
    frame = pandas.DataFrame(rows, columns=_columns(runs))
    return filter_runs(frame, where)


def load_history(
    runs: "Iterable[str] | pandas.DataFrame",
    metrics: Sequence[str] | None = None,
    *,
    experiment: str = DEFAULT_EXPERIMENT,
    uri: str | None = None,
) -> "pandas.DataFrame":
    """Every value that runs have logged while they trained, one row each.

    Args:
        runs: their ids, or a table of `load_runs`.
        metrics: which. Default: all.
        experiment, uri: as of `load_runs`.

    Returns:
        Columns `run_id`, `metric`, `step` and `value`.

    Raises:
        TrackingError: there is no such store or experiment.
    """
    import pandas

    tracking = tracking_of(experiment, uri)
    ids = [runs] if isinstance(runs, str) else list(getattr(runs, "run_id", runs))
    known = {run.run_id: run for run in existing_runs(tracking)}
    rows = [
        (run_id, metric, step, value)
        for run_id in ids
        for metric in (metrics or sorted(known[run_id].metrics))
        for step, value in metric_history(tracking, run_id, metric)
    ]
    return pandas.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def tracking_of(experiment: str, uri: str | None) -> MlflowTracking:
    """The settings that lead to the runs of an experiment."""
    return MlflowTracking(type="mlflow", experiment=experiment, uri=uri)


def _columns(runs: Sequence[RunRecord]) -> list[str]:
    """All columns: what every run has, tags, settings, metrics."""
    tags = dict.fromkeys(
        [*(f"tags.{name}" for name in TAGS), *(t for run in runs for t in _tags(run))]
    )
    settings = dict.fromkeys(name for run in runs for name in run.params)
    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    return [*("run_id", "name", "status", "started", "parent"), *tags, *settings, *metrics]


def _row(run: RunRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status,
        "started": run.started,
        "parent": run.parent,
        **_tags(run),
        **{name: _typed(value) for name, value in run.params.items()},
        **run.metrics,
    }


def _tags(run: RunRecord) -> dict[str, str]:
    """Those that are ours or the user's; MLflow's own are not for comparing."""
    return {f"tags.{n}": value for n, value in run.tags.items() if not n.startswith("mlflow.")}


def _typed(text: str) -> str | float | int | bool | None:
    """A setting as it was before MLflow made a text of it; lists and mappings stay text."""
    if text in WORDS:
        return WORDS[text]
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
