"""Put the runs of an archive into a store. Nothing in it is executed, unpickled or trusted."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mnistexp.dashboard.recording import ARTIFACT_FOLDER, RECORDING_NAME, RECORDING_TAG
from mnistexp.errors import StoreError
from mnistexp.runs.archive import ARTIFACTS, MODEL, Archive, RunEntry
from mnistexp.tracking import FOLDER_TAG, RunRecord, RunStore
from mnistexp.tracking.orphaned_runs import process_tags
from mnistexp.tracking.relocation import local_path
from mnistexp.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

IMPORTED_TAG = "imported_run"
"""Tag of an imported run: the id that it had where it was trained."""
PARENT_TAG = "mlflow.parentRunId"
KEPT_MLFLOW_TAGS = (
    *("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit"),
    "mlflow.note.content",
)
LOCAL_TAGS = (FOLDER_TAG, RECORDING_TAG, IMPORTED_TAG, "process", "process_start")
"""Tags with paths and processes of the computer where a run was trained."""
RUN_ID = re.compile(r"\b[0-9a-f]{32}\b")
METRICS_PER_BATCH = 1_000
PARAMS_PER_BATCH = 100


@dataclass
class ImportResult:
    """The runs of an archive.

    imported: (name, id in this store). known: names of runs that the store had already.
    """

    imported: list[tuple[str, str]] = field(default_factory=list)
    known: list[str] = field(default_factory=list)


def import_runs(archive: Archive, store: RunStore, result: ImportResult) -> Iterator[int]:
    """Put runs into the experiment of a store, which is created if it does not exist.

    A run that the store has already is left as it is: one with the same id, or imported from the
    run with this id, and with the same `config_hash`. A run is complete or, after a failure, not
    there.

    Args:
        archive: which was verified.
        result: is filled.

    Yields:
        The number of runs that are done.

    Raises:
        InputError: a run of the archive is not valid.
        TrackingError: the store cannot be used.
        StoreError: the store failed.
    """
    # Without the metrics of all runs, which may not fit into memory.
    runs = [_without_metrics(archive.run(run_id)) for run_id in archive.manifest.runs]
    known = _known_runs(store.runs(missing_ok=True))
    client, experiment_id = open_store(store.config)
    target = _Target(client, experiment_id, {run_id: here for (run_id, _), here in known.items()})
    new = [run for run in runs if _identity(run) not in known]
    result.known += [run.name for run in runs if _identity(run) in known]
    with _translated_errors(), _removed_after_failure(target):
        for run in new:
            target.create(run)
        for number, run in enumerate(new):
            target.fill(archive.run(run.run_id), archive)
            result.imported.append((run.name, target.ids[run.run_id]))
            yield number + 1


def _without_metrics(run: RunEntry) -> RunEntry:
    return run.model_copy(update={"metrics": {}})


def _identity(run: RunEntry) -> tuple[str, str]:
    return run.tags.get(IMPORTED_TAG, run.run_id), run.tags.get("config_hash", "")


def _known_runs(runs: list[RunRecord]) -> dict[tuple[str, str], str]:
    """Return the ids of runs, by the id where they were trained and the config hash."""
    return {
        (run_id, run.tags.get("config_hash", "")): run.run_id
        for run in runs
        for run_id in {run.run_id, run.tags.get(IMPORTED_TAG, run.run_id)}
    }


@dataclass
class _Target:
    """Where runs are imported.

    ids: of the runs in this store, by those where they were trained. unfinished: ids of runs that
    are not complete yet.
    """

    client: "MlflowClient"
    experiment_id: str
    ids: dict[str, str]
    unfinished: list[str] = field(default_factory=list)

    def create(self, run: RunEntry) -> None:
        """Create a run, so that others can refer to its id."""
        created = self.client.create_run(
            self.experiment_id,
            start_time=run.start_time,
            run_name=run.name,
            tags={"mlflow.runName": run.name, **process_tags()},
        )
        self.ids[run.run_id] = created.info.run_id
        self.unfinished.append(created.info.run_id)

    def fill(self, run: RunEntry, archive: Archive) -> None:
        """Write all that is recorded of a run, and close it with its status."""
        run_id = self.ids[run.run_id]
        self._log_values(run, run_id)
        with TemporaryDirectory(prefix="mnistexp-import-") as temporary:
            artifacts, model = Path(temporary) / ARTIFACTS, Path(temporary) / MODEL
            if archive.extract(run.run_id, ARTIFACTS, artifacts):
                self._replace_ids(artifacts)
                self.client.log_artifacts(run_id, str(artifacts))
            if run.has_model and archive.extract(run.run_id, MODEL, model):
                self._log_model(run, run_id, model)
            has_recording = (artifacts / ARTIFACT_FOLDER / RECORDING_NAME).is_file()
        for name in process_tags():
            self.client.delete_tag(run_id, name)
        if has_recording:
            location = self.client.get_run(run_id).info.artifact_uri
            recording = f"{local_path(location)}/{ARTIFACT_FOLDER}/{RECORDING_NAME}"
            self.client.set_tag(run_id, RECORDING_TAG, recording)
        self.client.set_tag(run_id, IMPORTED_TAG, _identity(run)[0])
        self.client.set_terminated(run_id, run.status, run.end_time)
        self.unfinished.remove(run_id)

    def _log_values(self, run: RunEntry, run_id: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        params = [Param(name, text) for name, text in run.params.items()]
        tags = [RunTag(name, text) for name, text in self._tags(run).items()]
        metrics = [
            Metric(name, value, time, step)
            for name, values in run.metrics.items()
            for time, step, value in values
        ]
        for start in range(0, len(params), PARAMS_PER_BATCH):
            self.client.log_batch(run_id, params=params[start : start + PARAMS_PER_BATCH])
        for start in range(0, len(tags), PARAMS_PER_BATCH):
            self.client.log_batch(run_id, tags=tags[start : start + PARAMS_PER_BATCH])
        for start in range(0, len(metrics), METRICS_PER_BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_BATCH])
        self._log_datasets(run, run_id)

    def _log_datasets(self, run: RunEntry, run_id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=used.name,
                    digest=used.digest,
                    source_type=used.source_type,
                    source=used.source,
                    profile=used.profile,
                ),
                [InputTag(key, value) for key, value in used.tags.items()],
            )
            for used in run.datasets
        ]
        if inputs:
            self.client.log_inputs(run_id, inputs)

    def _log_model(self, run: RunEntry, run_id: str, folder: Path) -> None:
        from mlflow.entities import LoggedModelOutput

        model = self.client.create_logged_model(
            self.experiment_id, name="model", source_run_id=run_id, params=dict(run.params)
        )
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")

    def _tags(self, run: RunEntry) -> dict[str, str]:
        """Return the tags of a run without those of its computer, with the ids of this store."""
        kept = {
            name: RUN_ID.sub(self._new_id, text)
            for name, text in run.tags.items()
            if name not in LOCAL_TAGS
            and (not name.startswith("mlflow.") or name in KEPT_MLFLOW_TAGS)
        }
        parent = self.ids.get(run.tags.get(PARENT_TAG, ""))
        return kept if parent is None else {**kept, PARENT_TAG: parent}

    def _replace_ids(self, artifacts: Path) -> None:
        """Replace the ids of runs in the tables of a sweep by those of this store."""
        for file in artifacts.glob("*.csv"):
            file.write_text(RUN_ID.sub(self._new_id, file.read_text(errors="replace")))

    def _new_id(self, match: re.Match[str]) -> str:
        return self.ids.get(match[0], match[0])


@contextmanager
def _removed_after_failure(target: _Target) -> Iterator[None]:
    """Remove the runs that are not complete after an exception, also after Ctrl-C."""
    try:
        yield
    finally:
        for run_id in target.unfinished:
            target.client.delete_run(run_id)


@contextmanager
def _translated_errors() -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise StoreError(f"tracking: the store failed during the import: {reason}") from error


def summarize(result: ImportResult) -> Mapping[str, object]:
    """Return the result for JSON."""
    imported = [{"name": name, "run_id": run_id} for name, run_id in result.imported]
    return {"imported": imported, "known": result.known}
