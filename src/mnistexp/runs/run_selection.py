"""Find the runs that the arguments of a command name. Every command that takes a run uses this."""

import csv
import io
import re
import sys
from collections.abc import Callable, Sequence
from functools import cached_property

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, find_experiment
from mnistexp.config.config_source import DEFAULT_DATA
from mnistexp.dashboard.recording import RECORDING_TAG
from mnistexp.errors import InputError, did_you_mean, join_with_or
from mnistexp.runs.run_filter import filter_runs
from mnistexp.tracking import RunRecord, RunStore, StoredModel
from mnistexp.tracking.model_registry import model_of_run, registered_model

BEST = "best"
DATA_SETTING = "data.name"
MIN_ID_LENGTH = 4
"""Minimum number of leading characters that may stand for a whole run id."""
LAST_SWEEP = "the last sweep: "
"""Begins the title of runs that were selected without a name."""
SWEEP_JOBS = "jobs.csv"
"""The artifact of a sweep's run that lists the runs of its jobs."""
REGISTERED_MODEL = re.compile(r"(?P<name>[^/@=]+)[/@](?P<version>[^/@=]+)")
EXPECTED_NAMES = (
    "the id or the name of a run or a sweep, an experiment (lab=3_0_conv or 3_0_conv), a group of "
    "experiments (lab), a choice or a setting (model=conv), best, or a registered model "
    "(NAME@ALIAS or NAME/VERSION)"
)


def select_runs(
    store: RunStore,
    names: Sequence[str],
    where: str = "",
    *,
    among: Sequence[RunRecord] | None = None,
    prefer_finished: bool = False,
) -> list[RunRecord]:
    """Return the runs that names stand for, each once, in the order of the names.

    A name is one of:

    - the id of a run, or its first characters (at least 4);
    - the name of a run: if there are several, the newest;
    - the name of a run without its seed, `softmax-sgd`: the runs of all seeds;
    - the id or the name of a sweep: the runs of its jobs;
    - an experiment, `lab=3_0_conv` or `3_0_conv`, or a group of experiments, `lab`;
    - `best`: the finished run with the highest validation accuracy, of those on the default data
      set if there are runs on several;
    - another choice, `model=conv`, or a setting, `seed=1`: the newest run with it;
    - a registered model, `digits@champion` or `digits/3`: the run that trained it.

    Args:
        where: a filter, see `filter_runs`. Names stand for runs that pass it.
        among: runs that names may stand for. Default: all of the store's experiment.
        prefer_finished: of several runs of one name, take the newest that has finished.

    Raises:
        InputError: a name stands for no run.
        TrackingError: there is no such store or experiment.
    """
    selection = _Selection(store, among, where)
    if prefer_finished:
        selection = _Selection(store, among, where, needed="a model", has_needed=_is_finished)
    found = [run for name in names for run in selection.runs_of(name)]
    return list({run.run_id: run for run in found}.values())


def select_records(store: RunStore, names: Sequence[str], where: str = "") -> list[RunRecord]:
    """Return the runs that names stand for, as `select_runs`; a sweep is its own run, not its jobs.

    Raises:
        InputError: a name stands for no run.
        TrackingError: there is no such store or experiment.
    """
    selection = _Selection(store, None, where)
    found: list[RunRecord] = []
    for name in names:
        run = selection.record_of(name)
        found += [run] if run is not None else selection.runs_of(name)
    return list({run.run_id: run for run in found}.values())


def select_record(store: RunStore, name: str) -> RunRecord:
    """Return the run or the sweep's run that a name stands for; if there are several, the newest.

    Raises:
        InputError: the name stands for no run, or for a group of experiments.
        TrackingError: there is no such store or experiment.
    """
    selection = _Selection(store, None, "")
    return selection.record_of(name) or selection.run_of(name)


def select_run(store: RunStore, name: str, where: str = "") -> RunRecord:
    """Return the one run that a name stands for; if there are several, the newest.

    Args:
        name, where: as in `select_runs`, without sweeps and groups of experiments.

    Raises:
        InputError: the name stands for no run, or for a sweep or a group of experiments.
        TrackingError: there is no such store or experiment.
    """
    return _Selection(store, None, where).run_of(name)


def select_model(store: RunStore, name: str, where: str = "") -> StoredModel:
    """Return the model of a run by its name; of several runs, the newest one that has a model.

    Raises:
        InputError: as in `select_run`; or the run has no model.
        TrackingError: there is no such store or experiment.
    """
    match = REGISTERED_MODEL.fullmatch(name)
    if match:
        return registered_model(store, match["name"], match["version"])
    selection = _Selection(
        store, None, where, needed="a model", has_needed=lambda run: run.model_id is not None
    )
    return model_of_run(selection.run_of(name))


def select_recorded_run(store: RunStore, name: str) -> RunRecord:
    """Return the one run that a name stands for; of several, the newest that was recorded.

    Raises:
        InputError: as in `select_run`.
        TrackingError: there is no such store or experiment.
    """
    selection = _Selection(
        store, None, "", needed="a recording", has_needed=lambda run: RECORDING_TAG in run.tags
    )
    return selection.run_of(name)


def seedless(run_name: str) -> str:
    """Return the name of a run without its seed: `softmax-sgd` of `softmax-sgd-s0`."""
    return re.sub(r"-s\d+$", "", run_name)


def select_or_last_sweep(
    store: RunStore, names: Sequence[str], where: str = ""
) -> tuple[list[RunRecord], str]:
    """Return the runs to be compared, and a title for them.

    Without names and filter: the last sweep, or all runs if there is no sweep.

    Raises:
        InputError: a name stands for no run, or no run is left.
        TrackingError: there is no such store or experiment.
    """
    runs, title = store.runs(), " ".join(names) or "all runs"
    sweeps = [run for run in runs if run.is_sweep]
    if sweeps and not names and not where:
        names = [sweeps[-1].run_id]
        title = f"{LAST_SWEEP}{sweeps[-1].name}, {sweeps[-1].started:%Y-%m-%d %H:%M}"
    found = select_runs(store, names, where) if names else filter_runs(runs, where)
    if not found:
        raise InputError(f"--where: no run matches {where!r}" if where else "there are no runs yet")
    return found, f"{title}, where {where}" if where else title


class _Selection:
    """Looks up names among the runs that pass a filter, and all sweeps."""

    def __init__(
        self,
        store: RunStore,
        runs: Sequence[RunRecord] | None,
        where: str,
        *,
        needed: str = "",
        has_needed: Callable[[RunRecord], bool] = lambda _: True,
    ) -> None:
        """Keep what restricts the selection.

        Args:
            runs: the runs to select from; None for all, which are read when needed.
            needed: what a run must have to be preferred to newer ones: `a model`.
            has_needed: whether a run has it.
        """
        self._store = store
        self._given = runs
        self._where = where
        self._needed = needed
        self._has_needed = has_needed

    def runs_of(self, name: str) -> list[RunRecord]:
        """Return all runs that a name stands for."""
        return self._find(name)[0]

    def run_of(self, name: str) -> RunRecord:
        """Return the one run that a name stands for; if there are several, the newest."""
        runs, is_collection = self._find(name)
        if is_collection:
            members = ", ".join(run.name for run in runs[:3])
            raise InputError(
                f"{name}: expected one run. Received: a sweep or a group of {len(runs)} runs, "
                f"{members}{', …' if len(runs) > 3 else ''}. Name one of them"
            )
        return self._newest(name, runs)

    def record_of(self, name: str) -> RunRecord | None:
        """Return the run or the sweep's run that a name stands for; None if it is another name."""
        run = self._of_id(name) or self._of_registered(name)
        if run is None and name == BEST:
            run = self._best()
        run = run or self._of_run_name(name) or self._of_id_prefix(name)
        return run or self._of_parameter(name)

    def _find(self, name: str) -> tuple[list[RunRecord], bool]:
        """Return the runs of a name, and whether it names a sweep or a group of experiments."""
        run = self.record_of(name)
        if run is not None:
            return (self._jobs_of(run), True) if run.is_sweep else ([run], False)
        found = self._of_seeds(name) or self._of_experiment(name)
        if found:
            return found, False
        return self._of_group(name), True

    @cached_property
    def _runs(self) -> Sequence[RunRecord]:
        return self._store.runs() if self._given is None else self._given

    @cached_property
    def _candidates(self) -> list[RunRecord]:
        passing = {run.run_id for run in filter_runs(self._runs, self._where)}
        return [run for run in self._runs if run.is_sweep or run.run_id in passing]

    def _of_id(self, name: str) -> RunRecord | None:
        """Return the run of a whole id, also of another experiment."""
        return self._store.run(name) if re.fullmatch(r"[0-9a-f]{32}", name) else None

    def _of_registered(self, name: str) -> RunRecord | None:
        match = REGISTERED_MODEL.fullmatch(name)
        if match is None:
            return None
        model = registered_model(self._store, match["name"], match["version"])
        return self._store.run(model.run_id)

    def _best(self) -> RunRecord:
        validated = [
            run
            for run in self._candidates
            if run.status == "FINISHED" and "val_accuracy" in run.metrics
        ]
        finished = [run for run in validated if self._has_needed(run)]
        if not finished:
            needed = f"{self._needed} and " if self._needed else ""
            raise InputError(
                f"best: expected a finished run with {needed}a validation accuracy. "
                "Received: none. Train one, or select others with --where, --experiment or --uri"
            )
        best = max(_of_one_data_set(finished), key=_val_accuracy)
        same_data = [run for run in validated if _data_of(run) == _data_of(best)]
        best_of_all = max(same_data, key=_val_accuracy)
        if _val_accuracy(best_of_all) > _val_accuracy(best):
            print(
                f"best: {best_of_all.name} has no {self._needed.removeprefix('a ')}; the best run "
                f"with {self._needed} is {best.name}, {best.run_id}",
                file=sys.stderr,
            )
        return best

    def _of_run_name(self, name: str) -> RunRecord | None:
        named = [run for run in self._candidates if run.name == name]
        return self._newest(name, named) if named else None

    def _of_id_prefix(self, name: str) -> RunRecord | None:
        if not re.fullmatch(f"[0-9a-f]{{{MIN_ID_LENGTH},}}", name):
            return None
        found = [run for run in self._candidates if run.run_id.startswith(name)]
        if len(found) > 1:
            ids = ", ".join(run.run_id for run in found)
            raise InputError(f"{name}: expected the first characters of one id. Received: {ids}")
        return found[0] if found else None

    def _of_parameter(self, name: str) -> RunRecord | None:
        """Return the newest run with a choice or a setting, `model=conv`."""
        parameter, _, value = name.partition("=")
        if not value or parameter in EXPERIMENT_GROUPS:
            return None
        found = [run for run in self._candidates if run.params.get(parameter) == value]
        return self._newest(name, found) if found else None

    def _of_seeds(self, name: str) -> list[RunRecord]:
        """Return the runs whose name is this one with a seed, the newest of each seed."""
        found = [run for run in self._candidates if seedless(run.name) == name]
        having_last = sorted(found, key=self._has_needed)  # Stable: the newest remains the last.
        newest = {run.name: run for run in having_last}
        return [newest[run_name] for run_name in dict.fromkeys(run.name for run in found)]

    def _of_experiment(self, name: str) -> list[RunRecord]:
        group, _, experiment = name.rpartition("=")
        groups = [group] if group in EXPERIMENT_GROUPS else EXPERIMENT_GROUPS if not group else ()
        for group in groups:
            found = [run for run in self._candidates if run.params.get(group) == experiment]
            if found:
                return found
        return []

    def _of_group(self, name: str) -> list[RunRecord]:
        """Return the runs of a group of experiments, in the order of their names."""
        is_group = name in EXPERIMENT_GROUPS
        found = [run for run in self._candidates if is_group and name in run.params]
        if not found:
            raise InputError(self._not_found(name))
        return sorted(found, key=lambda run: run.params[name])

    def _jobs_of(self, sweep: RunRecord) -> list[RunRecord]:
        """Return the runs of a sweep's jobs: started by it, or finished before and not repeated."""
        ids = {run.run_id for run in self._runs if run.parent == sweep.run_id}
        listed = self._store.artifact(sweep.run_id, SWEEP_JOBS)
        if listed is not None:  # A sweep that is running or was killed has no list yet.
            ids |= {row["run_id"] for row in csv.DictReader(io.StringIO(listed.decode()))}
        return [run for run in self._candidates if run.run_id in ids]

    def _newest(self, name: str, runs: Sequence[RunRecord]) -> RunRecord:
        having = [run for run in runs if self._has_needed(run)]
        newest = (having or runs)[-1]
        if len(runs) > 1:
            needed = f" with {self._needed}" if self._needed and having else ""
            print(
                f"{name}: {len(runs)} runs; the newest{needed} is {newest.run_id}", file=sys.stderr
            )
        return newest

    def _not_found(self, name: str) -> str:
        filtered = f" that matches {self._where!r}" if self._where else ""
        experiment = find_experiment(name)
        if experiment:
            return (
                f"{name}: expected an experiment with a run{filtered}. Received: none yet. Run it "
                f"with mnistexp {experiment}"
            )
        if name in EXPERIMENT_GROUPS:
            return (
                f"{name}: expected a group of experiments with a run{filtered}. Received: none "
                f"yet. Run them all with mnistexp verify {name}"
            )
        proposed = [run for run in self._runs if self._has_needed(run)]
        experiments = [
            f"{group}={run.params[group]}"
            for group in EXPERIMENT_GROUPS
            for run in proposed
            if group in run.params
        ]
        names = [run.name for run in proposed]
        seedless_names = map(seedless, names)
        known = dict.fromkeys([*names, *seedless_names, *experiments, *EXPERIMENT_GROUPS, BEST])
        longer = list(dict.fromkeys(n for n in reversed(names) if n.startswith(name)))[:3]
        hint = f" Did you mean {join_with_or(longer)}?" if longer else did_you_mean(name, known)
        return f"{name}: expected {EXPECTED_NAMES}{filtered}. Received: {name!r}.{hint}"


def _is_finished(run: RunRecord) -> bool:
    return run.status == "FINISHED"


def _val_accuracy(run: RunRecord) -> float:
    return run.metrics["val_accuracy"]


def _data_of(run: RunRecord) -> str:
    return run.params.get(DATA_SETTING, DEFAULT_DATA)


def _of_one_data_set(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs on one data set: accuracies on different data cannot be compared.

    Raises:
        InputError: the runs are on several data sets, none of which is the default one.
    """
    by_data: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_data.setdefault(_data_of(run), []).append(run)
    if len(by_data) == 1:
        return list(runs)
    others = [f"--where data.name={name}" for name in by_data if name != DEFAULT_DATA]
    if DEFAULT_DATA not in by_data:
        raise InputError(
            f"best: expected the runs of one data set, {join_with_or(others)}. "
            f"Received: runs on {', '.join(by_data)}"
        )
    print(
        f"best: the best on {DEFAULT_DATA}; for other data use {join_with_or(others)}",
        file=sys.stderr,
    )
    return by_data[DEFAULT_DATA]
