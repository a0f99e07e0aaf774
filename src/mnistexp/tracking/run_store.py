"""Read runs, histories of metrics and artifacts of an MLflow store. Nothing is written."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mnistexp.activity import show_activity
from mnistexp.errors import TrackingError, did_you_mean
from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.metric_names import metric_name, stored_name
from mnistexp.tracking.mlflow_private import metric_histories
from mnistexp.tracking.relocation import current_location
from mnistexp.tracking.store import (
    check_store,
    read_only_uri,
    redact_password,
    run_url,
    sqlite_file,
    tracking_uri,
)
from mnistexp.tracking.store_set_up import needs_set_up

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Curve = Sequence[tuple[int, float]]
"""(step, value) of all values of a metric, by step."""
COMMAND_TAG = "mlflow.source.name"
"""The command line that started a run, quoted for a shell."""
FOLDER_TAG = "folder"
"""The output folder of a run: its config, its recording, TensorBoard's files."""
RUNS_PER_QUERY = 10_000
ENDED_AT = "ended_at"
"""Tag of a run that ended early: `at step 200 of 400`."""
PARENT_TAG = "mlflow.parentRunId"
"""MLflow's tag of a run that is part of another one, such as a job of a sweep."""
PRUNED = "pruned"
"""Tag of a trial that the search stopped early. MLflow has no such status."""
COMMAND_TAG = "mlflow.source.name"
PYTHON_LITERALS = {"None": None, "True": True, "False": False}


@dataclass(frozen=True)
class RunRecord:
    """A run as it is recorded in the store.

    status: RUNNING, FINISHED, FAILED, KILLED or PRUNED, which MLflow stores as KILLED with the tag
    `pruned`. parent: the id of the sweep's run. params: settings as text. metrics: the last value
    of each. model_id: of the model that was logged last.
    """

    run_id: str
    name: str
    status: str
    started: datetime
    parent: str | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    model_id: str | None = None

    @property
    def diverged(self) -> bool:
        """Whether training stopped because the loss became NaN or infinite."""
        return self.tags.get("diverged") == "true"

    @property
    def threads(self) -> int | None:
        """The number of threads that one operation could use; None if it is not recorded."""
        recorded = self.tags.get("threads", "")
        return int(recorded) if recorded.isdigit() else None

    @property
    def ending(self) -> str:
        """The status for people: `finished`, `pruned at step 200 of 400`."""
        return " ".join([self.status.lower(), *filter(None, [self.tags.get(ENDED_AT)])])

    @property
    def is_sweep(self) -> bool:
        """Whether this is the run of a sweep, whose children are its jobs."""
        return self.tags.get("kind") == "sweep"

    @property
    def is_ensemble(self) -> bool:
        """Whether its model is the mean of those of other runs, so that nothing was trained."""
        return self.tags.get("kind") == "ensemble"

    @property
    def overridden(self) -> list[str]:
        """The choices and settings that the command of the run set."""
        words = self.tags.get(COMMAND_TAG, "").split()
        return [word.partition("=")[0].lstrip("+~'") for word in words if "=" in word]

    @property
    def values(self) -> dict[str, Any]:
        """All values of the run: attributes, tags as `tags.NAME`, settings and metrics.

        Settings have the types that they had before MLflow stored them as text; lists and mappings
        stay text. MLflow's own tags are left out.
        """
        tags = {f"tags.{n}": v for n, v in self.tags.items() if not n.startswith("mlflow.")}
        settings = {name: _parse_setting(text) for name, text in self.params.items()}
        names = ("run_id", "name", "status", "started", "parent")
        attributes = {name: getattr(self, name) for name in names}
        return {**attributes, **tags, **settings, **self.metrics}


class RunStore:
    """Reads the runs of one MLflow experiment.

    Reading creates no store and no experiment, changes no file, no environment variable and no
    global state of MLflow, and takes no lock. Any thread may read while runs are logged.
    """

    def __init__(self, config: MlflowTracking) -> None:
        self.config = config
        self.uri = tracking_uri(config.uri)

    @property
    def exists(self) -> bool:
        """Whether there is a store. Raises TrackingError if it cannot be used."""
        check_store(self.uri, for_writing=False)
        file = sqlite_file(self.uri)
        return file is None or not needs_set_up(file)

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client of this store. A local database is opened read-only.

        Raises:
            TrackingError: there is no such store, or MLflow cannot read it.
        """
        if not self.exists:
            raise TrackingError(
                "tracking.uri: expected a store with runs. Received: "
                f"{sqlite_file(self.uri)}, which does not exist or is empty. "
                "Run mnistexp in this folder first, or name another store: --uri sqlite:///FILE"
            )
        # On standard error, because commands print data on standard output.
        is_first = "mlflow" not in sys.modules
        activity = show_activity("reading the store", sys.stderr, is_first=is_first)
        with activity, self._translated_errors():
            import mlflow

            return mlflow.MlflowClient(read_only_uri(self.uri))

    @property
    def experiment_id(self) -> str:
        """The id of the experiment.

        Raises:
            TrackingError: the store has no experiment of this name.
        """
        name, client = self.config.experiment, self.client
        with self._translated_errors():
            experiment = client.get_experiment_by_name(name)
            if experiment is not None:
                return str(experiment.experiment_id)
            names = sorted(known.name for known in client.search_experiments())
        raise TrackingError(
            f"tracking.experiment: expected one of {', '.join(names)}. "
            f"Received: {name!r}.{did_you_mean(name, names)}"
        )

    def runs(self, where: str = "", *, missing_ok: bool = False) -> list[RunRecord]:
        """Return the runs of the experiment, in the order of their start.

        Args:
            where: a filter in MLflow's syntax.
            missing_ok: return no runs where the store or the experiment does not exist.

        Raises:
            TrackingError: there is no such store or experiment, or it cannot be read.
        """
        if missing_ok and not self._has_experiment():
            return []
        return list(self._search([self.experiment_id], where))

    def running(self) -> list[RunRecord]:
        """Return the runs of all experiments whose status is RUNNING."""
        client = self.client
        with self._translated_errors():
            ids = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(self._search(ids, "attributes.status = 'RUNNING'"))

    def run(self, run_id: str) -> RunRecord | None:
        """Return the run with this id, of any experiment; None if none is active."""
        from mlflow.exceptions import MlflowException

        client = self.client
        try:
            run = client.get_run(run_id)
        except MlflowException:
            return None
        return _record_of(run) if run.info.lifecycle_stage == "active" else None

    def url(self, run_id: str) -> str:
        """Return the address of the page of a run; see `run_url`."""
        return run_url(self.uri, self.experiment_id, run_id)

    def histories(
        self, run_ids: Iterable[str], metrics: Iterable[str]
    ) -> dict[str, dict[str, Curve]]:
        """Return the curves of metrics: `histories[metric][run_id]`, for runs that have it.

        A local store needs one query for each metric, whatever the number of runs.
        """
        ids, client = list(dict.fromkeys(run_ids)), self.client
        with self._translated_errors():
            return {
                metric: metric_histories(client, ids, stored_name(metric)) for metric in metrics
            }

    def current_location(self, recorded: str) -> str:
        """Return where a recorded path is, after the folder of a local store was moved."""
        return current_location(recorded, sqlite_file(self.uri))

    def artifact_location(self, run_id: str) -> str:
        """Return where the artifacts of a run are."""
        return self.current_location(self.client.get_run(run_id).info.artifact_uri)

    def model_location(self, model_id: str) -> str:
        """Return where the files of a logged model are."""
        return self.current_location(self.client.get_logged_model(model_id).artifact_location)

    def download(self, run_id: str, path: str, folder: Path | str) -> Path | None:
        """Copy the artifact `path` of a run below a folder; None if the run has none."""
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            location = self.artifact_location(run_id)
            return Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{location}/{path}", dst_path=str(folder), tracking_uri=self.uri
                )
            )
        except (MlflowException, OSError):
            return None

    def artifact(self, run_id: str, path: str) -> bytes | None:
        """Return the content of the artifact `path` of a run; None if the run has none."""
        with TemporaryDirectory() as folder:
            file = self.download(run_id, path, folder)
            return None if file is None else file.read_bytes()

    def data_digest(self, run_id: str) -> str | None:
        """Return the SHA-256 of the data files that a run used; None if none is recorded."""
        for used in self.client.get_run(run_id).inputs.dataset_inputs:
            source = json.loads(used.dataset.source)
            if isinstance(source, dict) and "sha256" in source:
                return str(source["sha256"])
        return None

    def _has_experiment(self) -> bool:
        if not self.exists:
            return False
        client = self.client
        with self._translated_errors():
            return client.get_experiment_by_name(self.config.experiment) is not None

    def _search(self, experiment_ids: Sequence[str], where: str) -> Iterator[RunRecord]:
        token: str | None = None
        while True:
            with self._translated_errors():
                page = self.client.search_runs(
                    list(experiment_ids),
                    where,
                    max_results=RUNS_PER_QUERY,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
            yield from map(_record_of, page)
            token = page.token
            if not token:
                return

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn errors of MLflow and of the database into a TrackingError of one line.

        Read `self.client` before: it imports MLflow, and says so.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            reason = str(error).splitlines()[0]
            if "readonly database" in reason:  # MLflow tries to create missing tables.
                reason = "its tables are not those of this MLflow version. Try mnistexp doctor"
            raise TrackingError(
                f"tracking: MLflow cannot read {redact_password(self.uri)}: {reason}"
            ) from error


def _record_of(run: "Run") -> RunRecord:
    models = run.outputs.model_outputs if run.outputs else []
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name,
        status=_status_of(run),
        started=datetime.fromtimestamp(run.info.start_time / 1000),
        parent=run.data.tags.get(PARENT_TAG),
        params=run.data.params,
        metrics={metric_name(stored): value for stored, value in run.data.metrics.items()},
        tags=run.data.tags,
        model_id=models[-1].model_id if models else None,
    )


def _status_of(run: "Run") -> str:
    was_pruned = run.info.status == "KILLED" and run.data.tags.get(PRUNED) == "true"
    return "PRUNED" if was_pruned else str(run.info.status)


def _parse_setting(text: str) -> str | float | int | bool | None:
    if text in PYTHON_LITERALS:
        return PYTHON_LITERALS[text]
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
