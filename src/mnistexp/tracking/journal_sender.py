"""Send the journal of a run to its MLflow store.

Sending again is harmless: settings, tags and artifacts are set, MLflow keeps equal metrics only
once, and runs and models are found by a tag with the id of the journal before another is created.
So after a failure everything is sent again from the last noted position.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistexp.errors import MnistexpError, TrackingError
from mnistexp.file_writing import write_whole
from mnistexp.tracking.journal import Record, read_records
from mnistexp.tracking.journal_tracker import JOURNAL_REFERENCE
from mnistexp.tracking.mlflow_private import forget_store, import_database_code
from mnistexp.tracking.model_package import DESCRIPTION_NAME, ModelDescription, package_model
from mnistexp.tracking.model_registry import register_model
from mnistexp.tracking.run_figures import draw_figures
from mnistexp.tracking.run_store import PARENT_TAG
from mnistexp.tracking.store import connect, redact_password, sqlite_file
from mnistexp.tracking.store_set_up import needs_set_up

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

STATE_NAME = "sent.json"
JOURNAL_TAG = "journal"
"""Tag of a run and of its model: the id of the journal that they were sent from."""
METRICS_PER_BATCH = 800
PARAMS_PER_BATCH = 100
TAGS_PER_BATCH = 100
"""MLflow's server accepts at most 1,000 values in all in one batch."""
REFUSALS = {
    *("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "UNAUTHENTICATED", "ENDPOINT_NOT_FOUND"),
}
"""Error codes of MLflow that say that the same request will fail again."""


class StoreUnavailable(MnistexpError):
    """A store did not take a record. The same request may succeed later."""


@dataclass
class SentState:
    """How far a journal was sent.

    uri: of the store, without password. position: in bytes. run_id: None before the run is created.
    is_creating: whether the creation of the run was requested, so the run may exist although its id
    is not known. figures: files, before the position, whose figures are not sent. is_closed:
    whether the end of the run is before the position.
    """

    uri: str
    position: int = 0
    run_id: str | None = None
    experiment_id: str | None = None
    is_creating: bool = False
    figures: list[str] = field(default_factory=list)
    is_closed: bool = False


@dataclass
class _Batch:
    """Values that are sent together. A later value of a tag replaces an earlier one."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list["Metric"] = field(default_factory=list)


class StoreConnection:
    """An open store with one experiment. It is opened again if its local database was replaced."""

    def __init__(self, uri: str, experiment: str) -> None:
        """Args: uri: the address, as `tracking_uri` returns it."""
        self.uri = uri
        self._experiment = experiment
        self._file = sqlite_file(uri)
        self._opened: tuple[MlflowClient, str] | None = None
        self._inode: int | None = None

    def open(self) -> tuple["MlflowClient", str]:
        """Return the client and the id of the experiment; see `connect`."""
        if self._opened is None:
            self._opened = connect(self.uri, self._experiment)
            self._inode = self._current_inode()
        return self._opened

    def open_existing(self) -> None:
        """Open the store, but do not create a local database. A refused run leaves no file."""
        if self._file is not None and needs_set_up(self._file):
            import_database_code()
        else:
            self.open()

    def was_replaced(self) -> bool:
        """Return whether the database that was opened has been deleted. If so, forget it.

        SQLite would go on writing into the deleted file.
        """
        if self._opened is None or self._current_inode() == self._inode:
            return False
        forget_store(self.uri)
        self._opened = None
        return True

    def _current_inode(self) -> int | None:
        try:
            return None if self._file is None else self._file.stat().st_ino
        except OSError:
            return None


class JournalSender:
    """Sends the journal of one run, from the position where an earlier sender stopped.

    Attributes:
        state: how far the journal was sent.
    """

    def __init__(self, folder: Path, store: StoreConnection | None = None) -> None:
        """Read the start of the journal.

        Args:
            store: Default: the store of the journal.

        Raises:
            TrackingError: the journal cannot be read.
        """
        self.folder = folder
        self.start = read_start(folder)
        self.store = store or StoreConnection(self.start["uri"], self.start["experiment"])
        self.state = self._read_state()
        self._drawn: Iterator[Path] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the end of the run and all figures were sent."""
        return self.state.is_closed and not self.state.figures

    def send_new(self) -> int:
        """Send the records that were added, draw and send all figures; return how many records.

        Raises:
            StoreUnavailable: the store did not take them now.
            TrackingError: the store refuses them, or the journal is damaged.
        """
        num_sent = self.send_records()
        while self.state.figures:
            self.send_next_figure()
        return num_sent

    def send_records(self) -> int:
        """Do the same as `send_new`, but only note which figures must be drawn."""
        with _translated_errors():
            try:
                return self._send_new()
            except _RunIsGone:
                # The store was deleted: the whole journal goes to a new run.
                self._forget_sent()
                return self._send_new()

    def send_next_figure(self) -> None:
        """Draw and send one of the figures that records have named. Raises the same errors."""
        with _translated_errors():
            try:
                self._send_next_figure()
            except _RunIsGone:
                self._forget_sent()

    def _send_next_figure(self) -> None:
        client, _ = self._open()
        run_id = self.state.run_id or ""
        drawn = self._drawn or draw_figures(self.folder / self.state.figures[0], run_id)
        self._drawn = None  # After a failure, all are drawn again.
        figure = next(drawn, None)
        if figure is None:
            del self.state.figures[0]
            self._write_state()
            return
        with _gone_run_noticed():
            client.log_artifact(run_id, str(figure), "figures")
        self._drawn = drawn

    def _send_new(self) -> int:
        client, experiment_id = self._open()
        run_id = self._run_id(client, experiment_id)
        read = read_records(self.folder, self.state.position)
        if read.records:
            with _gone_run_noticed():
                self._send(client, run_id, read.records)
            if self.store.was_replaced():
                return self._send_new()  # SQLite may have written into the former file.
            self.state.position = read.position
            figures = [record for record in read.records if record["type"] == "figures"]
            self.state.figures += [record["file"] for record in figures]
            self.state.is_closed = read.records[-1]["type"] == "end"
            self._write_state()
        if read.fault:
            raise TrackingError(read.fault)
        return len(read.records)

    def _open(self) -> tuple["MlflowClient", str]:
        self.store.was_replaced()  # Then it is opened again. It may have the run, or not.
        return self.store.open()

    def _forget_sent(self) -> None:
        self.state = SentState(redact_password(self.store.uri))
        self._write_state()

    def _run_id(self, client: "MlflowClient", experiment_id: str) -> str:
        """Return the id of the run in the store, which is created if needed."""
        if self.state.run_id is None:
            found = self._find_run(client, experiment_id)
            if found is None:
                self.state.is_creating = True
                self._write_state()
                found = self._create_run(client, experiment_id)
            self.state.run_id, self.state.experiment_id = found, experiment_id
            self._write_state()
        return self.state.run_id or ""

    def _find_run(self, client: "MlflowClient", experiment_id: str) -> str | None:
        """Return the run that this journal continues, or that was created without an answer."""
        from mlflow.exceptions import MlflowException

        if self.start["resume"] is not None:
            try:
                return str(client.get_run(self.start["resume"]).info.run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        if not self.state.is_creating:
            return None
        return find_sent_run(client, experiment_id, self.start["id"])

    def _create_run(self, client: "MlflowClient", experiment_id: str) -> str:
        tags = {**self.start["tags"], JOURNAL_TAG: self.start["id"]}
        tags |= self._parent_tag(client, experiment_id)
        run = client.create_run(experiment_id, self.start["time"], tags, self.start["name"])
        return str(run.info.run_id)

    def _parent_tag(self, client: "MlflowClient", experiment_id: str) -> dict[str, str]:
        """Return the tag with the id of the parent, if the journal only has a reference to it."""
        parent = self.start["tags"].get(PARENT_TAG, "")
        if not parent.startswith(JOURNAL_REFERENCE):
            return {}
        found = find_sent_run(client, experiment_id, parent.removeprefix(JOURNAL_REFERENCE))
        return {PARENT_TAG: found} if found else {}

    def _send(self, client: "MlflowClient", run_id: str, records: Sequence[Record]) -> None:
        """Send records, with as few requests as possible."""
        _send_batch(client, run_id, _collect_batch(records))
        for record in records:
            match record["type"]:
                case "dataset":
                    _send_dataset(client, run_id, record)
                case "artifact":
                    file, path = self.folder / record["file"], Path(record["path"])
                    parent = None if path.parent == Path() else str(path.parent)
                    client.log_artifact(run_id, str(file), parent)
                case "model":
                    self._send_model(client, run_id, record)
                case "resume":
                    client.update_run(run_id, status="RUNNING")
                case "end":
                    # The parent may have been sent later than the start of this run.
                    for name, value in self._parent_tag(
                        client, self.state.experiment_id or ""
                    ).items():
                        client.set_tag(run_id, name, value)
                    client.set_terminated(run_id, record["status"], record["time"])

    def _send_model(self, client: "MlflowClient", run_id: str, record: Record) -> None:
        """Store a model. Its steps are separate calls, because MLflow's would load it again."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        tag = f"{self.start['id']}/{record['folder']}"
        run = client.get_run(run_id)
        experiment_id = run.info.experiment_id
        known = client.search_logged_models(
            [experiment_id], f"tags.`{JOURNAL_TAG}` = '{tag}'", max_results=1
        )
        model = next(iter(known), None)
        if model is None:
            model = client.create_logged_model(
                experiment_id, "model", run_id, {JOURNAL_TAG: tag}, run.data.params
            )
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        folder = self.folder / record["folder"]
        package_model(folder, ModelDescription(**record["description"]))
        description = Model.load(str(folder))
        description.artifact_path = model.artifact_location
        description.run_id = run_id
        description.model_uuid = description.model_id = model.model_id
        description.save(str(folder / DESCRIPTION_NAME))
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        if record["register"] is not None:
            register_model(client, model.model_id, run_id, record["register"])

    def _read_state(self) -> SentState:
        uri = redact_password(self.store.uri)
        try:
            state = SentState(**json.loads((self.folder / STATE_NAME).read_text()))
        except (OSError, ValueError, TypeError):
            return SentState(uri)  # Nothing was sent, or it is not known: then all is sent again.
        return state if state.uri == uri else SentState(uri)

    def _write_state(self) -> None:
        write_whole(self.folder / STATE_NAME, json.dumps(asdict(self.state)).encode())


def read_start(folder: Path) -> Record:
    """Return the first record of a journal.

    Raises:
        TrackingError: it cannot be read, or has none.
    """
    records = read_records(folder).records
    if not records or records[0]["type"] != "start":
        raise TrackingError(f"{folder}: expected a journal with the start of a run. Received: none")
    return records[0]


def find_sent_run(client: "MlflowClient", experiment_id: str, journal_id: str) -> str | None:
    """Return the id of the run that was sent from a journal; None if there is none."""
    runs = client.search_runs([experiment_id], f"tags.`{JOURNAL_TAG}` = '{journal_id}'")
    return str(runs[0].info.run_id) if runs else None


def _collect_batch(records: Iterable[Record]) -> _Batch:
    from mlflow.entities import Metric

    batch = _Batch()
    for record in records:
        match record["type"]:
            case "params":
                batch.params |= record["values"]
            case "tags":
                batch.tags |= record["values"]
            case "resume":
                batch.tags |= record["tags"]
            case "metrics":
                batch.metrics += [
                    Metric(name, value, record["time"], record["step"])
                    for name, value in record["values"].items()
                ]
    return batch


def _send_batch(client: "MlflowClient", run_id: str, batch: _Batch) -> None:
    from mlflow.entities import Param, RunTag

    params = _parts((Param(name, value) for name, value in batch.params.items()), PARAMS_PER_BATCH)
    tags = _parts((RunTag(name, value) for name, value in batch.tags.items()), TAGS_PER_BATCH)
    metrics = _parts(batch.metrics, METRICS_PER_BATCH)
    for number in range(max(map(len, (params, tags, metrics)))):
        client.log_batch(
            run_id,
            metrics=metrics[number] if number < len(metrics) else (),
            params=params[number] if number < len(params) else (),
            tags=tags[number] if number < len(tags) else (),
        )


def _parts(values: Iterable[Any], size: int) -> list[list[Any]]:
    collected = list(values)
    return [collected[start : start + size] for start in range(0, len(collected), size)]


def _send_dataset(client: "MlflowClient", run_id: str, record: Record) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    digest = record["digest"]
    dataset = Dataset(
        name=record["name"],
        digest=digest[:8],  # MLflow's tables show it beside the name, which must be readable.
        source_type="local",
        source=json.dumps({"sha256": digest}),
        profile=json.dumps(record["profile"]),
    )
    context = InputTag("mlflow.data.context", "train, validation, test")
    inputs = [DatasetInput(dataset, [context])]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:  # Another run recorded the same new data set at the same moment.
        client.log_inputs(run_id, inputs)


class _RunIsGone(Exception):
    """The run that was created does not exist any more, because the store was deleted."""


@contextmanager
def _gone_run_noticed() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise _RunIsGone from error
        raise


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn errors of MLflow, of its database, of its server and of the disk into one line.

    Raises:
        StoreUnavailable: for an error that may pass.
        TrackingError: for a refusal.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        if error.error_code in REFUSALS:
            raise TrackingError(
                f"tracking: the store refuses the run: {first_line(error)}"
            ) from error
        raise StoreUnavailable(first_line(error)) from error
    except TrackingError as error:
        if isinstance(error.__cause__, sqlite3.OperationalError | OSError):
            raise StoreUnavailable(str(error)) from error
        raise
    except (SQLAlchemyError, RequestException, OSError, sqlite3.OperationalError) as error:
        raise StoreUnavailable(first_line(error)) from error


def first_line(error: BaseException) -> str:
    """Return the first line of the message that states an error, without passwords."""
    # SQLAlchemy may put a line about its session before the error of the database.
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result")]
    return redact_password(lines[0]) if lines else type(error).__name__
