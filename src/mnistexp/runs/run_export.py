"""Write runs with all that is recorded of them into one file; see `mnistexp.runs.archive`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mnistexp.dashboard.recording import ARTIFACT_FOLDER, RECORDING_NAME, RECORDING_TAG
from mnistexp.errors import InputError, StoreError
from mnistexp.runs.archive import ARTIFACTS, MODEL, ArchiveWriter, DatasetEntry, RunEntry
from mnistexp.runs.run_selection import SWEEP_JOBS, select_records, select_runs
from mnistexp.tracking import RunRecord, RunStore, redact_password
from mnistexp.tracking.model_registry import fetch_model, model_of_run
from mnistexp.tracking.orphaned_runs import ORPHANED_REASON, is_orphaned

if TYPE_CHECKING:
    from mlflow.entities import Run

SETTINGS_FILES = ("config.yaml", "overrides.txt", "best.yaml")
"""Artifacts that may name the store. Its password is removed from them."""
SUMMARY_FILES = (*SETTINGS_FILES, SWEEP_JOBS, "environment.json", "model_summary.txt")
"""The artifacts of a summary."""


def select_exported(store: RunStore, names: Sequence[str], where: str = "") -> list[RunRecord]:
    """Return the runs that names stand for; before the runs of a sweep comes the sweep's run.

    Raises:
        InputError: a name stands for no run, or a run is being trained.
        TrackingError: there is no such store or experiment.
    """
    found: dict[str, RunRecord] = {}
    for run in select_records(store, names, where):
        found[run.run_id] = run
        jobs = select_runs(store, [run.run_id]) if run.is_sweep else []
        found |= {job.run_id: job for job in jobs}
    for run in found.values():
        if run.status == "RUNNING" and not is_orphaned(run):
            raise InputError(
                f"{run.name}: expected runs that have ended. Received: {run.run_id}, which is "
                "being trained"
            )
    return sorted(found.values(), key=lambda run: not run.is_sweep)


def export_runs(
    store: RunStore, runs: Sequence[RunRecord], file: Path, *, summary: bool = False
) -> Iterator[int]:
    """Write runs into a file. A file of that name is replaced at the end.

    Args:
        summary: write settings, tags and the last value of each metric, without curves, figures,
            recordings and models.

    Yields:
        The number of runs that are done.

    Raises:
        InputError: the file cannot be written.
        ModelError: the files of a model are missing.
        StoreError: artifacts cannot be read.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        writer = ArchiveWriter(partial)
        for number, run in enumerate(runs):
            _export_run(store, run, writer, summary)
            yield number + 1
        writer.close()
        partial.replace(file)
    except OSError as error:
        raise InputError(
            f"{file}: expected a file that can be written. Received: {error.strerror or error}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _export_run(store: RunStore, run: RunRecord, writer: ArchiveWriter, summary: bool) -> None:
    entry = _describe_run(store, run)
    with TemporaryDirectory(prefix="mnistexp-export-") as temporary:
        if summary:
            entry = _summarize(entry)
            folders = {ARTIFACTS: _download_artifacts(store, run, Path(temporary), SUMMARY_FILES)}
        else:
            folders = {ARTIFACTS: _download_artifacts(store, run, Path(temporary))}
            _add_recording(store, run, folders[ARTIFACTS])
        if entry.has_model:
            folders[MODEL] = fetch_model(store, model_of_run(run))
        writer.add_run(entry, folders)


def _summarize(run: RunEntry) -> RunEntry:
    # In the order by which MLflow chooses the latest value.
    last = {
        name: [max(values, key=lambda value: (value[1], value[0]))]
        for name, values in run.metrics.items()
    }
    return run.model_copy(update={"metrics": last, "has_model": False})


def _describe_run(store: RunStore, run: RunRecord) -> RunEntry:
    stored: Run = store.client.get_run(run.run_id)
    tags = dict(stored.data.tags)
    status = stored.info.status
    if status == "RUNNING":
        status, tags["reason"] = "KILLED", ORPHANED_REASON
    return RunEntry(
        run_id=run.run_id,
        name=run.name,
        status=status,
        start_time=stored.info.start_time,
        end_time=stored.info.end_time,
        params=_redact(stored.data.params),
        tags=_redact(tags),
        metrics={
            name: [
                (value.timestamp, value.step, value.value)
                for value in store.client.get_metric_history(run.run_id, name)
            ]
            for name in stored.data.metrics
        },
        datasets=[_describe_dataset(used) for used in stored.inputs.dataset_inputs],
        has_model=run.model_id is not None,
    )


def _describe_dataset(used: Any) -> DatasetEntry:
    """Args: used: a `DatasetInput` of MLflow."""
    dataset = used.dataset
    return DatasetEntry(
        name=dataset.name,
        digest=dataset.digest,
        source_type=dataset.source_type,
        source=dataset.source,
        profile=dataset.profile,
        tags={tag.key: tag.value for tag in used.tags},
    )


def _download_artifacts(
    store: RunStore, run: RunRecord, temporary: Path, names: Sequence[str] | None = None
) -> Path:
    """Copy the artifacts of a run, or those of the given names, without the store's password."""
    folder = temporary / ARTIFACTS
    folder.mkdir()
    for found in store.client.list_artifacts(run.run_id):
        if names is not None and found.path not in names:
            continue
        if store.download(run.run_id, found.path, folder) is None:
            raise StoreError(
                f"{run.name}: the artifact {found.path} cannot be read. Nothing is kept"
            )
    for name in SETTINGS_FILES:
        file = folder / name
        if file.is_file():
            file.write_text(redact_password(file.read_text()))
    return folder


def _add_recording(store: RunStore, run: RunRecord, artifacts: Path) -> None:
    """Copy the recording of a run that is in its output folder only."""
    recorded = run.tags.get(RECORDING_TAG)
    recording = artifacts / ARTIFACT_FOLDER / RECORDING_NAME
    if recorded is not None and not recording.exists():
        source = Path(store.current_location(recorded))
        if source.is_file():
            recording.parent.mkdir(exist_ok=True)
            recording.write_bytes(source.read_bytes())


def _redact(texts: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"//[^/@\s]*@", "//", text) for name, text in texts.items()}
