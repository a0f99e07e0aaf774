"""Runs that differ in nothing but the seed, as one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnistexp.config.config_groups import EXPERIMENT_GROUPS

if TYPE_CHECKING:
    import numpy as np
    import pandas


@dataclass(frozen=True)
class SeedGroup:
    """What was run with one seed or several.

    settings: all but the seed, by path; a choice by its group. runs: the finished ones, a row a
    seed, the latest where a seed was run again.
    """

    seedless_hash: str
    settings: Mapping[str, Any]
    runs: "pandas.DataFrame"

    @property
    def name(self) -> str:
        """The name of the first run, without the seed."""
        return seedless(str(self.runs["name"].iloc[0]))

    @property
    def metrics(self) -> list[str]:
        """The names of the final metrics that its runs have."""
        settings = {*self.settings, "seed"}
        numbers = self.runs.select_dtypes("number").dropna(axis="columns", how="all")
        return [str(name) for name in numbers if name not in settings and "." not in str(name)]

    def values(self, metric: str) -> "np.ndarray":
        """The final values of a metric, one a seed that has it."""
        import pandas

        logged = self.runs.get(metric, pandas.Series(dtype=float))
        return pandas.to_numeric(logged, errors="coerce").dropna().to_numpy(dtype=float)

    def mean(self, metric: str) -> float | None:
        """Over the seeds; None where no run has the metric."""
        values = self.values(metric)
        return float(values.mean()) if len(values) else None

    def std(self, metric: str) -> float | None:
        """The standard deviation over the seeds; None for fewer than two."""
        values = self.values(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else None


def seedless(run_name: str) -> str:
    """Return the name of a run without its seed: `softmax-sgd` of `softmax-sgd-s0`."""
    return re.sub(r"-s\d+$", "", run_name)


def group_by_seed(runs: "pandas.DataFrame") -> list[SeedGroup]:
    """The finished runs of a table of `load_runs`, folded; in the order in which they stand."""
    finished = runs[(runs["status"] == "FINISHED") & runs["tags.seedless_hash"].notna()]
    # The same seed again gives the same figures: it is no further seed.
    latest = finished.drop_duplicates("tags.config_hash", keep="last")
    order = dict.fromkeys(finished["tags.seedless_hash"])
    return [_recipe(key, latest[latest["tags.seedless_hash"] == key]) for key in order]


def _recipe(seedless_hash: str, runs: "pandas.DataFrame") -> SeedGroup:
    first = runs.iloc[-1]
    settings = {
        name: first[name] for name in setting_names(runs) if name != "seed" and _is_set(first[name])
    }
    return SeedGroup(seedless_hash, settings, runs)


def setting_names(runs: "pandas.DataFrame") -> list[str]:
    """The columns that are settings or choices; those of the tracking bear on no result."""
    ours = ("model", "optim", "data", "device", "train", "seed")
    names = [str(column) for column in runs.columns]
    return [
        name for name in names if name.split(".")[0].split("/")[0] in (*ours, *EXPERIMENT_GROUPS)
    ]


def _is_set(value: object) -> bool:
    return value is not None and value == value
