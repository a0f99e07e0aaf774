"""Runs that the store has already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.store import open_store


@dataclass(frozen=True)
class PastRun:
    """A run as the store has it: its settings, its last metrics and its tags."""

    run_id: str
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
    client, experiment_id = open_store(config)
    found: list[PastRun] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], where, order_by=["attributes.start_time ASC"], page_token=token
        )
        for run in page:
            data = run.data
            found.append(
                PastRun(run.info.run_id, run.info.status, data.params, data.metrics, data.tags)
            )
        token = page.token
        if not token:
            return found


def metric_history(config: MlflowTracking, run_id: str, metric: str) -> Sequence[tuple[int, float]]:
    """(step, value) of all values of a metric, by step."""
    client, _ = open_store(config)
    values = client.get_metric_history(run_id, metric)
    return sorted((value.step, value.value) for value in values)


def end_run(config: MlflowTracking, run_id: str, status: str, reason: str) -> None:
    """Close a run that its own process cannot close any more."""
    client, _ = open_store(config)
    client.set_tag(run_id, "reason", reason)
    client.set_terminated(run_id, status)
