"""Runs that the store has already."""

from collections.abc import Mapping
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


def past_runs(config: MlflowTracking) -> dict[str, PastRun]:
    """The latest run of each `config_hash` that finished, or that ended by diverging."""
    client, experiment_id = open_store(config)
    found: dict[str, PastRun] = {}
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], order_by=["attributes.start_time ASC"], page_token=token
        )
        for run in page:
            data = run.data
            past = PastRun(run.info.run_id, run.info.status, data.params, data.metrics, data.tags)
            if "config_hash" in data.tags and (past.status == "FINISHED" or past.diverged):
                found[data.tags["config_hash"]] = past
        token = page.token
        if not token:
            return found
