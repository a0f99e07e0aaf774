"""List runs, the newest first, with what differs between them."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.config.run_names import DEFAULT_CHOICES, UNNAMED_SETTINGS, format_text
from mnistexp.errors import InputError, did_you_mean
from mnistexp.runs.run_filter import filter_runs
from mnistexp.runs.run_selection import DATA_SETTING
from mnistexp.tracking import COMMAND_TAG, ENDED_AT, RunRecord, RunStore

SECTIONS = ("data", "augmentation", "model", "optim", "train", "seed", "device")
"""The sections that can change a result, the most important first."""
WITHOUT_EFFECT = ("device", "device.type", "device.index", "device.threads")
"""Settings of these sections that change a result by rounding errors at most."""
MAX_LENGTH = 150
"""Of the settings, and of the reason."""
MAX_SETTING_LENGTH = 60


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


def count_jobs(runs: Sequence[RunRecord]) -> dict[str, int]:
    """Return the number of jobs of each sweep, by the id of its run.

    A sweep that has not ended has not logged the number; it has as many jobs as runs so far.
    """
    started = Counter(run.parent for run in runs if run.parent is not None)
    logged = {run.run_id: run.metrics.get("num_jobs") for run in runs if run.is_sweep}
    return {
        run_id: started[run_id] if num_jobs is None else int(num_jobs)
        for run_id, num_jobs in logged.items()
    }


def describe_runs(runs: Sequence[RunRecord], num_jobs: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return what a list says about each run: attributes, accuracies, what was altered, and why it
    ended early.

    What was altered (`differs`): the choices and settings of its command that differ from the
    defaults and can change the result, the most important first.

    Args:
        num_jobs: the number of jobs of each sweep, by the id of its run.
    """
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
            "differs": [] if run.is_sweep else _altered_settings(run),
            "reason": run.tags.get("reason") or None,
        }
        for run in runs
    ]


def unnamed_differences(entry: Mapping[str, Any]) -> list[str]:
    """Return what was altered, of an entry of `describe_runs`, that its name does not show.

    Settings that have no room are replaced by an ellipsis.
    """
    parts = [_shorten(text, MAX_SETTING_LENGTH) for text in entry["differs"]]
    parts = [part for part in parts if not _is_named(part, entry["name"])]
    lengths = accumulate(len(part) + 2 for part in parts)
    shown = [part for part, length in zip(parts, lengths, strict=True) if length <= MAX_LENGTH]
    return shown if len(shown) == len(parts) else [*shown, "…"]


def shorten_reason(reason: str) -> str:
    """Return a reason in a line; if it is long, its first sentence and the advice at its end."""
    text = reason.partition("\n")[0]
    _, separator, last = text.rpartition(". Try ")
    if len(text) <= MAX_LENGTH or not separator:
        return _shorten(text, MAX_LENGTH)
    advice = _shorten(f"Try {last}", MAX_LENGTH // 2)
    first_sentence = text.partition(". ")[0]
    return f"{_shorten(first_sentence, MAX_LENGTH - len(advice))} … {advice}"


def _shorten(text: str, length: int) -> str:
    """Cut a text after a word, if it has several."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    return f"{cut.rpartition(' ')[0] or cut}…"


def _altered_settings(run: RunRecord) -> list[str]:
    """Return the overrides of a run that can change its result, the most important first."""
    command = run.tags.get(COMMAND_TAG, "")
    try:
        words = shlex.split(command)
    except ValueError:  # Earlier versions recorded the command without quotes.
        words = command.split()
    overrides = [word for word in words[1:] if "=" in word or word.startswith("~")]
    latest = {_path(override): override for override in overrides}  # The last one counts.
    altered = [text for path, text in latest.items() if _can_change_result(path, text, run)]
    return sorted(altered, key=_rank)


def _can_change_result(path: str, override: str, run: RunRecord) -> bool:
    if override in (*DEFAULT_CHOICES, "seed=0") or path in WITHOUT_EFFECT:
        return False
    if path in UNNAMED_SETTINGS:
        # When it is evaluated has an effect only where the evaluations select the weights.
        return path.startswith("train.") and _is_selected_by_validation(run)
    return _section(path) in (*EXPERIMENT_GROUPS, *SECTIONS)


def _is_selected_by_validation(run: RunRecord) -> bool:
    settings = ("train.early_stopping", "train.restore_best_weights")
    values = [value for name, value in run.params.items() if name.startswith(settings)]
    return any(value != "None" for value in values)


def _rank(override: str) -> tuple[int, bool]:
    """Sort the experiment first, then sections, and in each one the choice before its settings."""
    path = _path(override)
    section = _section(path)
    return SECTIONS.index(section) if section in SECTIONS else -1, path != section


def _section(path: str) -> str:
    return path.partition(".")[0].partition("/")[0]


def _is_named(override: str, name: str) -> bool:
    """Return whether a name has the value of a choice or `setting=value` as one of its parts."""
    path, value = _path(override), format_text(override.partition("=")[2])
    last = path.rpartition(".")[2].rpartition("/")[2]
    if override.startswith("~"):
        part = f"-no_{last}-"
    elif path == "seed":
        part = f"-s{value}-"
    elif path in EXPERIMENT_GROUPS:
        part = f"-{path}.{value}-"
    else:
        part = f"-{value}-" if path != "train" and "." not in path else f"{last}={value}-"
    return part in f"-{name}-"


def _path(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
