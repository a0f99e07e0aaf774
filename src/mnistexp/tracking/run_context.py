"""A run from its start to its end, however that comes."""

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mnistexp.errors import Pruned
from mnistexp.signals import sigterm_as_interrupt
from mnistexp.tracking.config import MlflowTracking, TrackingConfig
from mnistexp.tracking.mlflow_tracker import MlflowTracker
from mnistexp.tracking.process_state import process_tags
from mnistexp.tracking.store import open_store
from mnistexp.tracking.tracker import NoTracker, Tracker


@contextmanager
def start_run(
    config: TrackingConfig,
    name: str,
    tags: Mapping[str, Any] | None = None,
    *,
    resume: str | None = None,
) -> Iterator[Tracker]:
    """A run that ends as FINISHED, as FAILED with the reason, or as KILLED.

    KILLED is what Ctrl-C, SIGTERM or the search that the run belongs to has ended.

    Args:
        config: where to.
        name: of the run.
        tags: beside those of the settings.
        resume: the id of a run that is gone on with, instead of a new one.
    """
    if not isinstance(config, MlflowTracking):
        yield NoTracker()
        return
    client, experiment_id = open_store(config)
    all_tags = {**_run_tags(), **(tags or {}), **config.tags}
    if resume is None:
        run_tags = {key: str(value) for key, value in all_tags.items()}
        run = client.create_run(experiment_id, run_name=name, tags=run_tags)
        tracker = MlflowTracker(client, run.info.run_id, experiment_id, config)
    else:
        client.update_run(resume, status="RUNNING")
        tracker = MlflowTracker(client, resume, experiment_id, config)
        tracker.set_tags({"reason": "", **process_tags()})  # Those were of the earlier end.
    try:
        with sigterm_as_interrupt():
            yield tracker
    except BaseException as error:
        tracker.set_tags({"reason": (str(error) or type(error).__name__)[:5_000]})
        tracker.end("KILLED" if isinstance(error, KeyboardInterrupt | Pruned) else "FAILED")
        raise
    tracker.end("FINISHED")


def _run_tags() -> dict[str, str]:
    return {
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        **process_tags(),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())  # A container may run as a user without a name.
