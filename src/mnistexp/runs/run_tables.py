"""Runs and their histories as pandas data frames."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.errors import InputError, did_you_mean
from mnistexp.runs.run_filter import filter_runs
from mnistexp.runs.run_selection import select_runs
from mnistexp.tracking import DEFAULT_EXPERIMENT, MlflowTracking, RunRecord, RunStore

if TYPE_CHECKING:
    import pandas

REQUIRED_COLUMNS = ("tags.kind", "tags.config_hash", "tags.seedless_hash")
"""Tags that are columns of every table, even where no run has them."""
ATTRIBUTES = ("run_id", "name", "status", "started", "parent")
CHOICES = ("model", "optim", "data", "train", "seed", *EXPERIMENT_GROUPS)
"""Choices and settings that a table shows by default, where a run has them."""
RESULTS = (
    *("val_accuracy", "test_accuracy", "test_accuracy_max", "train_loss", "val_loss", "test_loss"),
    *("seconds", "num_parameters"),
)
"""Metrics that a table shows by default, where a run has them."""


def load_runs(
    where: str = "",
    *,
    columns: Sequence[str] | str | None = None,
    include_sweeps: bool = False,
    experiment: str = DEFAULT_EXPERIMENT,
    uri: str | None = None,
) -> "pandas.DataFrame":
    """Return the runs of an experiment, one row each, in the order of their start.

    Args:
        where: a filter, `"model = conv_big and test_accuracy > 0.99"`; see `filter_runs`.
        columns: a name or names of columns, `["name", "optim.learning_rate"]`, or `"all"`: the
            attributes, then every tag (`tags.device`), every setting under its path
            (`optim.learning_rate`) or, for a choice, its group (`model`), and the final value of
            every metric. Default: see Returns.
        include_sweeps: return the runs of sweeps too, not only those of their jobs. A sweep's run
            has no seed and no accuracy.
        experiment: the MLflow experiment.
        uri: the address of the store. Default: MLFLOW_TRACKING_URI, else `mlflow.db` here.

    Returns:
        By default the columns `run_id`, `name`, `status`, `started`, `parent` (the id of the
        sweep's run), the choices and the seed, the settings that were set on the command line, and
        accuracy, loss, seconds and number of parameters. Where a run has no value, it is None, NaN
        or NA. Columns of whole numbers, such as `seed` and `num_parameters`, are of type Int64.

    Raises:
        InputError: no run has one of the columns.
        TrackingError: there is no such store or experiment.
        ConfigError: `where` cannot be parsed.
    """
    stored = open_run_store(experiment, uri).runs()
    runs = [run for run in stored if include_sweeps or not run.is_sweep]
    table, found = tabulate_runs(runs), filter_runs(runs, where)
    if isinstance(columns, str) and columns != "all":
        columns = [columns]
    names = list(table.columns) if columns == "all" else columns or _default_columns(table, found)
    for name in names:
        if name not in table:
            known = [str(column) for column in table]
            raise InputError(
                f"columns: expected columns of the table, see columns='all'. Received: {name!r}."
                f"{did_you_mean(name, known)}"
            )
    is_found = table["run_id"].isin([run.run_id for run in found])
    rows = table.loc[is_found, list(names)].reset_index(drop=True)
    return rows.astype(dict.fromkeys(_whole_columns(found, names), "Int64"))


def _whole_columns(runs: Sequence[RunRecord], names: Sequence[str]) -> list[str]:
    """Return the columns of settings and counts whose values are all whole numbers."""
    rows = [run.values for run in runs]
    whole = []
    for name in names:
        values = [row[name] for row in rows if row.get(name) is not None]
        # Metrics are floats in the store. A loss that happens to be whole stays a float.
        is_count = name.startswith("num_") and all(float(value).is_integer() for value in values)
        if values and (is_count or all(type(value) is int for value in values)):
            whole.append(name)
    return whole


def _default_columns(table: "pandas.DataFrame", runs: Sequence[RunRecord]) -> list[str]:
    """Return the columns of `load_runs` that describe the runs without all of their settings."""
    chosen = [name for run in runs for name in run.overridden]
    optional = dict.fromkeys([*CHOICES, *chosen, *RESULTS])
    known = {name for run in runs for name in run.values}
    return [*ATTRIBUTES, *(name for name in optional if name in table and name in known)]


def load_history(
    runs: "Iterable[str] | pandas.DataFrame",
    metrics: Sequence[str] | str | None = None,
    *,
    experiment: str = DEFAULT_EXPERIMENT,
    uri: str | None = None,
) -> "pandas.DataFrame":
    """Return the values that runs logged, one row for each run, metric and step.

    Of a step that was logged twice, it is the latest value: the final metrics are computed with the
    logged model after the last step.

    Args:
        runs: their ids or names, as `select_runs` takes them, or a table of `load_runs`.
        metrics: a name or names of metrics. Default: all.
        experiment, uri: as in `load_runs`.

    Returns:
        Columns `run_id`, `metric`, `step` and `value`.

    Raises:
        InputError: a name stands for no run, or no run of the experiment has one of the metrics.
        TrackingError: there is no such store or experiment.
    """
    store = open_run_store(experiment, uri)
    names = [runs] if isinstance(runs, str) else list(getattr(runs, "run_id", runs))
    stored = store.runs()
    ids = _find_ids(store, stored, names)
    if metrics is None:
        metrics = sorted({name for run in stored if run.run_id in ids for name in run.metrics})
    elif isinstance(metrics, str):
        metrics = [metrics]
    _check_metrics(metrics, {name for run in stored for name in run.metrics})
    return tabulate_histories(store, ids, metrics)


def _find_ids(store: RunStore, stored: Sequence[RunRecord], names: Sequence[str]) -> list[str]:
    """Return the ids of the runs that names stand for. Ids of the experiment are not looked up."""
    known = {run.run_id for run in stored}
    found = [
        [name] if name in known else [run.run_id for run in select_runs(store, [name])]
        for name in names
    ]
    return list(dict.fromkeys(run_id for ids in found for run_id in ids))


def _check_metrics(metrics: Sequence[str], known: Collection[str]) -> None:
    for name in metrics:
        if name not in known:
            raise InputError(
                f"metrics: expected metrics that a run logged. Received: {name!r}."
                f"{did_you_mean(name, sorted(known))}"
            )


def tabulate_histories(
    store: RunStore, run_ids: Sequence[str], metrics: Sequence[str]
) -> "pandas.DataFrame":
    """Return a row for each value of the metrics, with the columns of `load_history`."""
    import pandas

    histories = store.histories(run_ids, metrics)
    rows = [
        (run_id, metric, step, value)
        for run_id in run_ids
        for metric in metrics
        for step, value in histories[metric].get(run_id, ())
    ]
    return pandas.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def open_run_store(experiment: str, uri: str | None) -> RunStore:
    """Return the reader of an experiment's runs. Nothing is opened or checked yet."""
    return RunStore(MlflowTracking(type="mlflow", experiment=experiment, uri=uri))


def tabulate_runs(runs: Sequence[RunRecord]) -> "pandas.DataFrame":
    """Return a row for each run, with the columns of `load_runs`."""
    import pandas

    tags = [f"tags.{n}" for run in runs for n in run.tags if not n.startswith("mlflow.")]
    settings = [name for run in runs for name in run.params]
    metrics = [name for run in runs for name in run.metrics]
    columns = dict.fromkeys([*ATTRIBUTES, *REQUIRED_COLUMNS, *tags, *settings, *metrics])
    return pandas.DataFrame([run.values for run in runs], columns=list(columns))
