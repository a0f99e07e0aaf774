"""Runs that the store takes for running, and those of them that nothing runs any more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.process_state import ProcessState, process_state
from mnistexp.tracking.run_store import end_run
from mnistexp.tracking.store import client_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOST = "its process ended without closing it: killed, out of memory, or the machine went down"


@dataclass(frozen=True)
class RunningRun:
    """A run whose status is RUNNING. process: `host:pid`; fate: of that process."""

    run_id: str
    name: str
    experiment: str
    process: str
    fate: ProcessState


def open_runs(uri: str) -> list[RunningRun]:
    """The runs of all experiments of a store that are RUNNING; the store must be set up."""
    client = client_of(uri)
    return [
        run
        for experiment in client.search_experiments()
        for run in _open_runs(client, experiment.experiment_id, experiment.name)
    ]


def close_orphaned(uri: str, runs: Sequence[RunningRun]) -> None:
    """Close runs as KILLED, with the reason; the metrics that they have stay."""
    for run in runs:
        config = MlflowTracking(type="mlflow", uri=uri, experiment=run.experiment)
        end_run(config, run.run_id, "KILLED", LOST)


def _open_runs(client: "MlflowClient", experiment_id: str, experiment: str) -> Iterator[RunningRun]:
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], "attributes.status = 'RUNNING'", page_token=token
        )
        for run in page:
            tags = run.data.tags
            process, fate = tags.get("process", "an unknown process"), process_state(tags)
            yield RunningRun(run.info.run_id, run.info.run_name, experiment, process, fate)
        token = page.token
        if not token:
            return
