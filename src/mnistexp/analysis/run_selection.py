"""Which runs a user means by a few words."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.errors import ConfigError, did_you_mean
from mnistexp.tracking import MlflowTracking, read_artifact

if TYPE_CHECKING:
    import pandas

MIN_ID_LENGTH = 4
"""Characters of an id that may stand for it."""
SWEEP_JOBS = "jobs.csv"
"""The artifact of a sweep's run that names the runs of its jobs."""


def select_runs(
    runs: "pandas.DataFrame", words: Sequence[str], tracking: MlflowTracking
) -> "pandas.DataFrame":
    """The runs that words name; of a sweep, those of its jobs.

    Args:
        runs: all of the store, as `load_runs` gives them.
        words: each the id of a run or of a sweep (or how it begins), its name, a group of
            experiments (`lab`), or an experiment (`lab=3_0_conv`, `3_0_conv`).

    Returns:
        Those rows, in the order of the words.

    Raises:
        ConfigError: a word names nothing.
    """
    import pandas

    chosen = [_named(runs, word, tracking) for word in words]
    return pandas.concat(chosen).drop_duplicates("run_id") if chosen else runs.head(0)


def last_sweep(runs: "pandas.DataFrame") -> "pandas.Series | None":
    """The run of the sweep that was started last; None if there is none."""
    sweeps = runs[runs["tags.kind"] == "sweep"]
    return None if sweeps.empty else sweeps.iloc[-1]


def _named(runs: "pandas.DataFrame", word: str, tracking: MlflowTracking) -> "pandas.DataFrame":
    by_id = runs["run_id"].str.startswith(word) & (len(word) >= MIN_ID_LENGTH)
    found = runs[by_id | (runs["name"] == word)]
    if found.empty:
        found = _of_experiment(runs, word)
    if found.empty:
        raise ConfigError(_nothing(runs, word))
    sweeps = found[found["tags.kind"] == "sweep"]
    if sweeps.empty:
        return found
    # Of sweeps that share their name, the last one is meant.
    return _jobs_of(runs, str(sweeps["run_id"].iloc[-1]), tracking)


def _of_experiment(runs: "pandas.DataFrame", word: str) -> "pandas.DataFrame":
    """Runs of a group of experiments or of one experiment, in the order of the names."""
    group, _, name = word.rpartition("=")
    for column in [column for column in EXPERIMENT_GROUPS if column in runs]:
        if word == column:
            found = runs[runs[column].notna()]
        elif group in ("", column):
            found = runs[runs[column] == name]
        else:
            continue
        if not found.empty:
            return found.sort_values(column, kind="stable")
    return runs.head(0)


def _jobs_of(
    runs: "pandas.DataFrame", sweep_id: str, tracking: MlflowTracking
) -> "pandas.DataFrame":
    """The runs of a sweep's jobs: those that it started, and those that were done before."""
    children = runs[runs["parent"] == sweep_id]
    listed = read_artifact(tracking, sweep_id, SWEEP_JOBS)
    if listed is None:
        return children  # It is running, or was killed.
    ids = [row["run_id"] for row in csv.DictReader(io.StringIO(listed.decode()))]
    return runs[runs["run_id"].isin({*ids, *children["run_id"]})]


def _nothing(runs: "pandas.DataFrame", word: str) -> str:
    experiments = [
        f"{group}={name}"
        for group in EXPERIMENT_GROUPS
        if group in runs
        for name in runs[group].dropna().unique()
    ]
    names = [*runs["name"].unique(), *experiments, *EXPERIMENT_GROUPS]
    return (
        f"{word}: expected the id or the name of a run or a sweep, or an experiment that has runs "
        f"in the store. Received: {word!r}.{did_you_mean(word, names)}"
    )
