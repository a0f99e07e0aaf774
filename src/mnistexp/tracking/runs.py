"""Runs that the store has already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.store import existing_store, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class PastRun:
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


def past_runs(config: MlflowTracking, where: str = "") -> list[PastRun]:
    """The runs of the tracking's experiment, in the order of their start.

    Args:
        where: a filter in MLflow's words.
    """
    return _search(*open_store(config), where)


def existing_runs(config: MlflowTracking) -> list[PastRun]:
    """As `past_runs`, of a store that is there.

    Raises:
        TrackingError: there is no such store, or no such experiment in it.
    """
    return _search(*existing_store(config), "")


def _search(client: "MlflowClient", experiment_id: str, where: str) -> list[PastRun]:
    found: list[PastRun] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], where, order_by=["attributes.start_time ASC"], page_token=token
        )
        found += [
            PastRun(
                run.info.run_id,
                run.info.run_name,
                datetime.fromtimestamp(run.info.start_time / 1000),
                run.info.status,
                run.data.params,
                run.data.metrics,
                run.data.tags,
            )
            for run in page
        ]
        token = page.token
        if not token:
            return found


def metric_history(config: MlflowTracking, run_id: str, metric: str) -> Sequence[tuple[int, float]]:
    """(step, value) of all values of a metric, by step."""
    client, _ = open_store(config)
    values = client.get_metric_history(run_id, metric)
    return sorted((value.step, value.value) for value in values)


def read_artifact(config: MlflowTracking, run_id: str, path: str) -> bytes | None:
    """The content of an artifact of a run; None if it has none of that path."""
    from mlflow.exceptions import MlflowException

    client, _ = existing_store(config)
    try:
        with TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, path, folder)).read_bytes()
    except (MlflowException, OSError):
        return None


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
