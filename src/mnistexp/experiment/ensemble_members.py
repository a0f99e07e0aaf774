"""Select the runs of an ensemble, and check that they fit together."""

import sys
from collections.abc import Sequence
from typing import Any

from mnistexp.data import DataConfig
from mnistexp.errors import InputError
from mnistexp.runs.logged_config import read_logged_settings
from mnistexp.runs.run_selection import seedless, select_runs
from mnistexp.tracking import RunRecord, RunStore

MAY_DIFFER = ("train_size", "scale")
"""Settings of the data in which members may differ: they leave test and validation images alike."""


def select_members(store: RunStore, names: Sequence[str]) -> list[RunRecord]:
    """Return the finished runs that names stand for: of a sweep, its finished jobs.

    Raises:
        InputError: a name stands for no finished run, or all together for fewer than two.
        TrackingError: there is no such store or experiment.
    """
    found: dict[str, RunRecord] = {}
    for name in names:
        runs = select_runs(store, [name], prefer_finished=True)
        finished = [run for run in runs if run.status == "FINISHED"]
        if not finished:
            received = ", ".join(f"{run.name}, {run.ending}" for run in runs[:3])
            raise InputError(
                f"{name}: expected a finished run, which has a model. Received: "
                f"{received or 'a sweep without runs'}"
            )
        if len(finished) < len(runs):
            print(f"{name}: {len(finished)} of {len(runs)} runs have finished", file=sys.stderr)
        found |= {run.run_id: run for run in _of_equal_settings(name, finished)}
    if len(found) < 2:
        raise InputError(
            f"mnistexp ensemble: expected at least two runs. Received: {len(found)}. Name "
            "another run, or a sweep over seeds"
        )
    return list(found.values())


def _of_equal_settings(name: str, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs of one name that differ from the newest one in the seed only.

    The runs of a sweep whose names differ are all returned.
    """
    newest = runs[-1]
    if len({seedless(run.name) for run in runs}) > 1:
        return list(runs)
    equal = [run for run in runs if _settings_hash(run) == _settings_hash(newest)]
    if len(equal) < len(runs):
        print(
            f"{name}: runs of different settings; {len(equal)} have those of the newest, "
            f"{newest.run_id}",
            file=sys.stderr,
        )
    return equal


def _settings_hash(run: RunRecord) -> str:
    return run.tags.get("seedless_hash", "")


def read_common_data(store: RunStore, members: Sequence[RunRecord]) -> DataConfig:
    """Return the settings of the data of all members.

    Raises:
        InputError: the members differ in the data set or in its splits.
    """
    first = _data_settings(store, members[0])
    for run in members[1:]:
        other = _data_settings(store, run)
        for name in sorted({*first, *other} - set(MAY_DIFFER)):
            if first.get(name) != other.get(name):
                raise InputError(
                    f"data.{name}: expected the same for all runs of an ensemble, which is "
                    f"measured on images that no member was trained on. Received: "
                    f"{_format(first.get(name))} of {members[0].name}, "
                    f"{_format(other.get(name))} of {run.name}"
                )
    return DataConfig.model_validate(first)


def _format(value: Any) -> str:
    return "none" if value is None else str(value)


def _data_settings(store: RunStore, run: RunRecord) -> dict[str, Any]:
    from omegaconf import OmegaConf

    settings: Any = OmegaConf.to_container(read_logged_settings(store, run).data)
    # Runs of earlier versions lack the settings that are new.
    complete: dict[str, Any] = DataConfig.model_validate(settings).model_dump(mode="json")
    return complete
