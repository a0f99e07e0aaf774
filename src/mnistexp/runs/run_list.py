"""List runs, the newest first, with what differs between them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.config.run_names import format_text
from mnistexp.errors import InputError, did_you_mean
from mnistexp.runs.run_filter import filter_runs
from mnistexp.runs.run_selection import DATA_SETTING
from mnistexp.tracking import COMMAND_TAG, ENDED_AT, RunRecord, RunStore

IN_EVERY_NAME = ("model", "optim", "data", "seed", "tracking", "dashboard", *EXPERIMENT_GROUPS)
"""Overrides that a name shows, or that change no result."""


def list_runs(
    store: RunStore, where: str = "", *, failed: bool = False, data: str | None = None
) -> list[RunRecord]:
    """Return the runs of an experiment, the newest first.

    Args:
        where: a filter, see `filter_runs`.
        failed: only runs that failed or were killed; not those that a search pruned.
        data: only runs on this data set, by its name.

    Raises:
        InputError: the filter cannot be parsed, or no run used the data set.
        TrackingError: there is no such store or experiment.
    """
    runs = store.runs()
    if data is not None:
        known = sorted({run.params[DATA_SETTING] for run in runs if DATA_SETTING in run.params})
        if data not in known:
            raise InputError(
                f"--data: expected one of {', '.join(known) or '(no run yet)'}. "
                f"Received: {data!r}.{did_you_mean(data, known)}"
            )
        runs = [run for run in runs if run.params.get(DATA_SETTING) == data]
    found = [run for run in filter_runs(runs, where) if not failed or has_failed(run)]
    return found[::-1]


def has_failed(run: RunRecord) -> bool:
    """Return whether a run failed or was killed. A trial that a search pruned has not failed."""
    return run.status in ("FAILED", "KILLED")


def describe_runs(runs: Sequence[RunRecord], num_jobs: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return what a list says about each run: attributes, accuracies, what differs, and why it
    ended early.

    Args:
        num_jobs: the number of jobs of each sweep, by the id of its run.
    """
    overrides = {run.run_id: _overrides(run) for run in runs if not run.is_sweep}
    common = set.intersection(*map(set, overrides.values())) if overrides else set()
    return [
        {
            "run_id": run.run_id,
            "name": run.name,
            "started": run.started.isoformat(timespec="seconds"),
            "status": run.status.lower(),
            "ended_at": run.tags.get(ENDED_AT),
            "val_accuracy": run.metrics.get("val_accuracy"),
            "test_accuracy": run.metrics.get("test_accuracy"),
            "data": run.params.get(DATA_SETTING),
            "sweep": run.parent,
            "num_jobs": num_jobs.get(run.run_id, 0) if run.is_sweep else None,
            "differs": [o for o in overrides.get(run.run_id, ()) if o not in common],
            "reason": run.tags.get("reason") or None,
        }
        for run in runs
    ]


def unnamed_differences(entry: Mapping[str, Any]) -> list[str]:
    """Return the overrides of an entry of `describe_runs` that its name does not show."""
    return [
        override
        for override in entry["differs"]
        if override.lstrip("+~").partition("=")[0].partition(".")[0] not in IN_EVERY_NAME
        and format_text(override.partition("=")[2]) not in entry["name"]
    ]


def _overrides(run: RunRecord) -> list[str]:
    command = run.tags.get(COMMAND_TAG, "")
    try:
        words = shlex.split(command)
    except ValueError:  # Earlier versions recorded the command without quotes.
        words = command.split()
    return [word for word in words[1:] if "=" in word or word.startswith("~")]
