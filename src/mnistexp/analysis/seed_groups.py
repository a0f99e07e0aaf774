"""Groups of runs that differ only in the seed, and their mean values."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnistexp.config.config import NETWORK_SECTIONS
from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.errors import InputError
from mnistexp.runs.run_selection import seedless, select_runs
from mnistexp.runs.run_tables import tabulate_runs
from mnistexp.tracking import Curve, RunStore

if TYPE_CHECKING:
    import numpy as np
    import pandas

SETTING_GROUPS = (
    "model",
    "optim",
    "data",
    "augmentation",
    "device",
    "train",
    "seed",
    *EXPERIMENT_GROUPS,
)
"""First parts of the names of settings and choices. Settings of `tracking` change no result."""
WITHOUT_EFFECT = ("seed", "train.checkpoint_every")
"""Settings of these groups in which equal runs may differ."""
MAX_WHOLE = 1e15
"""Larger numbers are learning rates that let a training diverge; `1e+30` is shorter."""
CURVE_METRICS = ("val_accuracy", "test_accuracy", "train_loss", "val_loss", "test_loss")
"""The metrics whose learning curves are compared."""


@dataclass(frozen=True)
class SeedGroup:
    """Runs with equal settings except for the seed, mostly finished ones.

    settings: settings by path (`optim.learning_rate`), and choices by group (`model`).
    runs: a row for each seed, with the columns of `load_runs`. Of a seed that was run again, the
        latest run.
    """

    seedless_hash: str
    settings: Mapping[str, Any]
    runs: "pandas.DataFrame"

    @property
    def name(self) -> str:
        """The name of the first run, without the seed."""
        return seedless(str(self.runs["name"].iloc[0]))

    @property
    def data_name(self) -> str:
        """The name of the data set; empty if it is unknown."""
        return str(self.settings.get("data.name", ""))

    @property
    def metrics(self) -> list[str]:
        """The names of the final metrics that the runs have."""
        settings = {*self.settings, "seed"}
        numbers = self.runs.select_dtypes("number").dropna(axis="columns", how="all")
        return [str(name) for name in numbers if name not in settings and "." not in str(name)]

    def values(self, metric: str) -> "np.ndarray":
        """Return the final values of a metric, one for each seed that has it."""
        import pandas

        logged = self.runs.get(metric, pandas.Series(dtype=float))
        return pandas.to_numeric(logged, errors="coerce").dropna().to_numpy(dtype=float)

    def mean(self, metric: str) -> float | None:
        """Return the mean over the seeds; None if no run has the metric."""
        values = self.values(metric)
        return float(values.mean()) if len(values) else None

    def std(self, metric: str) -> float | None:
        """Return the standard deviation over the seeds; None for fewer than two."""
        values = self.values(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else None

    def median(self, metric: str) -> float | None:
        """Return the median over the seeds; None if no run has the metric."""
        import numpy as np

        values = self.values(metric)
        return float(np.median(values)) if len(values) else None


def count_unfinished(runs: "pandas.DataFrame") -> str:
    """Return how many runs are not compared, by status: `2 failed, 1 running`."""
    unfinished = runs[(runs["status"] != "FINISHED") & (runs["tags.kind"] != "sweep")]
    counts = unfinished["status"].str.lower().value_counts()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def group_by_seed(runs: "pandas.DataFrame") -> list[SeedGroup]:
    """Group the finished runs of a table of `load_runs`, in the order of their first rows."""
    return _group(runs[runs["status"] == "FINISHED"])


def _group(runs: "pandas.DataFrame") -> list[SeedGroup]:
    started = runs[runs["tags.seedless_hash"].notna()]
    # Running the same seed again gives the same result, not another sample.
    latest = started.drop_duplicates("tags.config_hash", keep="last")
    return [
        _build_group(str(key), latest[latest["tags.seedless_hash"] == key])
        for key in dict.fromkeys(started["tags.seedless_hash"])
    ]


def _build_group(seedless_hash: str, runs: "pandas.DataFrame") -> SeedGroup:
    import pandas

    last = runs.iloc[-1]
    # Earlier versions logged choices of sections that have no effect on a classical method.
    kind = last.get("model.type")
    is_classical = isinstance(kind, str) and kind != "network"
    sections = set(SETTING_GROUPS) - set(NETWORK_SECTIONS if is_classical else ())
    names = [str(name) for name in runs if re.split(r"[./]", str(name))[0] in sections]
    settings = {
        name: _as_recorded(last[name])
        for name in names
        # `isna` of a list, such as data.test_slice, is an array.
        if name not in WITHOUT_EFFECT
        and not (pandas.api.types.is_scalar(last[name]) and pandas.isna(last[name]))
    }
    return SeedGroup(seedless_hash, settings, runs)


def _as_recorded(value: Any) -> Any:
    """Return a setting; pandas turns the integers of a column with missing values into floats."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < MAX_WHOLE
    return int(value) if is_whole else value


def select_seed_group(store: RunStore, name: str) -> SeedGroup:
    """Return the finished runs of a name, which differ in the seed at most.

    If none has finished: the runs that failed, were killed or pruned, or are running. Of several
    groups of the same name or experiment: the newest, and a line on standard error says so.

    Raises:
        InputError: no run of the name has started to train, or they are those of a sweep or of a
            group of experiments, and differ in other settings than the seed.
        TrackingError: there is no such store or experiment.
    """
    runs = tabulate_runs(select_runs(store, [name]))
    groups = group_by_seed(runs) or _group(runs)
    if not groups or len(set(map(_experiment_or_name, groups))) > 1:
        ids = ", ".join(str(group.runs["run_id"].iloc[-1])[:8] for group in groups[:5])
        received = f"{len(groups)} that differ: {ids}. Write an id instead" if groups else "none"
        raise InputError(f"{name}: expected the name of one run. Received: {received}")
    newest = max(groups, key=lambda group: group.runs["started"].max())
    if len(groups) > 1:
        run_id = newest.runs.sort_values("started")["run_id"].iloc[-1]
        print(f"{name}: {len(groups)} that differ; the newest is {run_id}", file=sys.stderr)
    return newest


def _experiment_or_name(group: SeedGroup) -> str:
    """Return the experiment of a group of runs, `lab=3_0_conv`, else their name."""
    chosen = [
        f"{name}={group.settings[name]}" for name in EXPERIMENT_GROUPS if name in group.settings
    ]
    return chosen[0] if chosen else group.name


def curves_by_run(history: "pandas.DataFrame") -> dict[str, dict[str, Curve]]:
    """Return the curves of a table of `load_history`: `curves[metric][run_id]`."""
    curves: dict[str, dict[str, Curve]] = {}
    for (metric, run_id), rows in history.groupby(["metric", "run_id"], sort=False):
        curve = list(zip(rows["step"].tolist(), rows["value"].tolist(), strict=True))
        curves.setdefault(str(metric), {})[str(run_id)] = curve
    return curves


def sample_curves(history: "pandas.DataFrame", num_steps: int) -> "pandas.DataFrame":
    """Reduce learning curves to a few steps, the last one of each curve among them.

    Args:
        history: a table of `load_history`.
        num_steps: the maximum number of rows, without those of curves that end earlier.

    Returns:
        A row for each step (the index), and a column for each metric and run with its latest value
        since the row above. So curves that were measured at slightly different steps can be
        compared. NaN where there is none.
    """
    import numpy as np
    import pandas

    if history.empty:
        return history
    table = history.pivot_table(index="step", columns=["metric", "run_id"], values="value")
    steps = pandas.Index(np.linspace(table.index[0], table.index[-1], num_steps))
    rows = np.unique(table.index.astype(float).get_indexer(steps, method="nearest"))
    is_known = table.notna().to_numpy()
    ends = len(table) - 1 - is_known[::-1].argmax(axis=0)
    chosen = np.union1d(rows, ends)
    counts = is_known.cumsum(axis=0)[chosen]
    has_new = np.diff(counts, axis=0, prepend=0) > 0
    return table.ffill().iloc[chosen].where(has_new)


def average_curves(
    curves: "pandas.DataFrame", groups: Mapping[str, SeedGroup]
) -> "pandas.DataFrame":
    """Average curves over the seeds of each group.

    Args:
        curves: a table of `sample_curves`.
        groups: the groups, by the titles of their columns.

    Returns:
        A column `METRIC TITLE` for each metric of `CURVE_METRICS` and each group that has it. NaN
        where a seed has no value, because a mean over fewer seeds is no point of the same curve.
    """
    import pandas

    columns = {}
    for metric in [metric for metric in CURVE_METRICS if metric in curves]:
        of_metric = curves[metric]
        for title, group in groups.items():
            ids = [run_id for run_id in group.runs["run_id"] if run_id in of_metric]
            if ids:
                columns[f"{metric} {title}"] = of_metric[ids].T.mean(skipna=False)
    return pandas.DataFrame(columns)
