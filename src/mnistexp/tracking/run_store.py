"""Runs that the store has already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.store import client_of, existing_store, open_store, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class RunRecord:
    """A run as the store has it: its settings, its last metrics and its tags."""

    run_id: str
    name: str
    started: datetime
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def diverged(self) -> bool:
        """Whether it stopped because the loss became NaN or infinite."""
        return self.tags.get("diverged") == "true"

    @property
    def parent(self) -> str | None:
        """The id of the run that this is a child of."""
        return self.tags.get("mlflow.parentRunId")


def past_runs(config: MlflowTracking, where: str = "") -> list[RunRecord]:
    """The runs of the tracking's experiment, in the order of their start.

    Args:
        where: a filter in MLflow's words.
    """
    return _search(*open_store(config), where)


def existing_runs(config: MlflowTracking) -> list[RunRecord]:
    """As `past_runs`, of a store that is there.

    Raises:
        TrackingError: there is no such store, or no such experiment in it.
    """
    return _search(*existing_store(config), "")


def _search(client: "MlflowClient", experiment_id: str, where: str) -> list[RunRecord]:
    found: list[RunRecord] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], where, order_by=["attributes.start_time ASC"], page_token=token
        )
        found += [_past(run) for run in page]
        token = page.token
        if not token:
            return found


def find_run(config: MlflowTracking, run: str) -> RunRecord | None:
    """The run with this id, or the latest one of this name in any experiment; None without any."""
    from mlflow.exceptions import MlflowException

    client = client_of(tracking_uri(config.uri))
    try:
        return _past(client.get_run(run))
    except MlflowException:  # It is no id.
        pass
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    name = run.replace("'", "")  # MLflow's filters cannot quote it, so no name has it.
    where = f"attributes.run_name = '{name}'"
    newest_first = ["attributes.start_time DESC"]
    named = client.search_runs(experiments, where, max_results=1, order_by=newest_first)
    return _past(named[0]) if named else None


def fetch_artifact(config: MlflowTracking, run_id: str, path: str, folder: str) -> Path | None:
    """An artifact of a run, copied below a folder; None if the run has none of this path."""
    from mlflow.exceptions import MlflowException

    client = client_of(tracking_uri(config.uri))
    try:
        return Path(client.download_artifacts(run_id, path, folder))
    except (MlflowException, OSError):
        return None


def metric_history(config: MlflowTracking, run_id: str, metric: str) -> Sequence[tuple[int, float]]:
    """(step, value) of all values of a metric, by step."""
    client, _ = open_store(config)
    values = client.get_metric_history(run_id, metric)
    return sorted((value.step, value.value) for value in values)


def read_artifact(config: MlflowTracking, run_id: str, path: str) -> bytes | None:
    """The content of an artifact of a run; None if it has none of that path."""
    with TemporaryDirectory() as folder:
        file = fetch_artifact(config, run_id, path, folder)
        return None if file is None else file.read_bytes()


def add_to_run(
    config: MlflowTracking, run_id: str, metrics: Mapping[str, float], text: str, path: str
) -> None:
    """Log metrics, and a text as the artifact `path`, to a run that has ended."""
    client, _ = existing_store(config)
    for name, value in metrics.items():
        client.log_metric(run_id, name, value)
    client.log_text(run_id, text, path)


def end_run(config: MlflowTracking, run_id: str, status: str, reason: str) -> None:
    """Close a run that its own process cannot close any more."""
    client, _ = open_store(config)
    client.set_tag(run_id, "reason", reason)
    client.set_terminated(run_id, status)


def _past(run: "Run") -> RunRecord:
    info, data = run.info, run.data
    started = datetime.fromtimestamp(info.start_time / 1000)
    return RunRecord(
        *(info.run_id, info.run_name, started, info.status), data.params, data.metrics, data.tags
    )
