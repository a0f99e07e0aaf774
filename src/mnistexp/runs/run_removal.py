"""Remove runs: their records, their models, and their files."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnistexp.errors import InputError
from mnistexp.runs.run_files import find_run_files
from mnistexp.tracking import RunRecord, RunStore
from mnistexp.tracking.orphaned_runs import is_orphaned
from mnistexp.tracking.relocation import FOLDERS
from mnistexp.tracking.store import client_for_writing, sqlite_file


@dataclass(frozen=True)
class Removal:
    """What is removed with some runs.

    runs: the runs, and the jobs of the sweeps among them. folders: with their files. num_bytes: the
    size of these files. registered: (name, version) of registered models. kept: folders that
    remain, because they are not in `mlruns` or `runs` beside the store.
    """

    runs: Sequence[RunRecord]
    folders: Sequence[Path]
    num_bytes: int
    registered: Sequence[tuple[str, str]]
    kept: Sequence[str] = field(default_factory=list)


def plan_removal(store: RunStore, runs: Iterable[RunRecord]) -> Removal:
    """Return what is removed with runs. Nothing is removed yet.

    Raises:
        InputError: a run is being trained.
    """
    chosen = {run.run_id: run for run in runs}
    jobs = [run for run in store.runs() if run.parent in chosen]
    together = list({**chosen, **{job.run_id: job for job in jobs}}.values())
    _check_ended(together)
    root = _root(store)
    found = [folder for run in together for folder in find_run_files(store, run).local_folders]
    folders = [folder for folder in dict.fromkeys(found) if _is_own(folder, root)]
    return Removal(
        runs=together,
        folders=folders,
        num_bytes=sum(map(_size, folders)),
        registered=[version for run in together for version in _registered(store, run)],
        kept=[str(folder) for folder in dict.fromkeys(found) if folder not in folders],
    )


def remove(store: RunStore, removal: Removal) -> None:
    """Remove the runs in MLflow, their models, and their files.

    MLflow marks a run as deleted and keeps its settings and metrics until `mlflow gc`.
    """
    client = client_for_writing(store.uri)
    for name, version in removal.registered:
        client.delete_model_version(name, version)
    for run in removal.runs:
        if run.model_id is not None:
            client.delete_logged_model(run.model_id)
        client.delete_run(run.run_id)
    for folder in removal.folders:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty_parents(folder)


def _check_ended(runs: Sequence[RunRecord]) -> None:
    active = [run for run in runs if run.status == "RUNNING" and not is_orphaned(run)]
    if active:
        process = active[0].tags.get("process", "an unknown process")
        raise InputError(
            f"{active[0].name}: expected a run that has ended. Received: {active[0].run_id}, which "
            f"is being trained in {process}. Nothing was removed. Stop it first, with Ctrl-C"
        )


def _registered(store: RunStore, run: RunRecord) -> list[tuple[str, str]]:
    if run.model_id is None:
        return []
    versions = store.client.search_model_versions(f"run_id = '{run.run_id}'")
    return [(version.name, str(version.version)) for version in versions]


def _root(store: RunStore) -> Path:
    """Return the folder below which files are removed: of a local store, else the working one."""
    database = sqlite_file(store.uri)
    return Path.cwd() if database is None else database.parent


def _is_own(folder: Path, root: Path) -> bool:
    """Return whether a folder is in `mlruns` or `runs`, so it holds nothing but files of a run."""
    return any(root / name in folder.parents for name in FOLDERS)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _remove_empty_parents(folder: Path) -> None:
    """Remove the folders that are left without files: MLflow's of a run, and that of a sweep.

    The folder of an MLflow experiment, `mlruns/1`, remains.
    """
    for parent in folder.parents:
        is_kept = parent.name in FOLDERS or parent.parent.name == FOLDERS[0]
        if is_kept or any(parent.iterdir()):
            return
        parent.rmdir()
