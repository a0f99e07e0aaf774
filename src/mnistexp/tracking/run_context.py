"""A run from its start to its end."""

import getpass
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mnistexp.errors import MnistexpError, Pruned, StoreError
from mnistexp.signals import sigterm_as_interrupt
from mnistexp.tracking.config import MlflowTracking, TrackingConfig
from mnistexp.tracking.mlflow_tracker import MlflowTracker
from mnistexp.tracking.orphaned_runs import process_tags
from mnistexp.tracking.store import open_store
from mnistexp.tracking.tracker import Tracker


@contextmanager
def run_context(
    config: TrackingConfig,
    name: str,
    tags: Mapping[str, Any] | None = None,
    *,
    resume: str | None = None,
) -> Iterator[Tracker]:
    """Start a run; close it as FINISHED, as FAILED with the reason, or as KILLED.

    KILLED means: ended by Ctrl-C, by SIGTERM, or by the search that the run belongs to.

    Args:
        name: of the run.
        tags: in addition to those of the settings.
        resume: the id of a run that is continued, instead of a new one.
    """
    if not isinstance(config, MlflowTracking):
        yield Tracker()
        return
    # It logs the traceback of each database error, which also becomes our error of one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    tracker = _start(config, name, tags or {}, resume)
    try:
        with sigterm_as_interrupt():
            yield tracker
        tracker.end("FINISHED")
    except BaseException as error:
        failure = _as_store_error(error, name) or error
        _close_after(failure, tracker)
        if failure is error:
            raise
        raise failure from error


def _start(
    config: MlflowTracking, name: str, tags: Mapping[str, Any], resume: str | None
) -> MlflowTracker:
    client, experiment_id = open_store(config)
    if resume is not None:
        client.update_run(resume, status="RUNNING")
        tracker = MlflowTracker(client, resume, experiment_id, config)
        tracker.set_tags({"reason": "", **process_tags()})  # They were those of the earlier end.
        return tracker
    source = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL"}
    all_tags = {**source, **process_tags(), **tags, **config.tags}
    run_tags = {key: str(value) for key, value in all_tags.items()}
    run = client.create_run(experiment_id, run_name=name, tags=run_tags)
    return MlflowTracker(client, run.info.run_id, experiment_id, config)


def _as_store_error(error: BaseException, run_name: str) -> StoreError | None:
    """Return the error of one line for an exception of the store; None for other exceptions."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if not isinstance(error, MlflowException | SQLAlchemyError):
        return None
    # SQLAlchemy may put a line about its session before the error of the database.
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result")]
    return StoreError(
        f"tracking: the store failed during run {run_name}: {lines[0]}. If the run is shown as "
        "running, mnistexp doctor --close-orphaned closes it"
    )


def _close_after(error: BaseException, tracker: MlflowTracker) -> None:
    """Close a run that an exception ended. A store that fails too must not hide that exception.

    The traceback of an unexpected exception becomes the artifact `traceback.txt`.
    """
    try:
        tracker.set_tags({"reason": (str(error) or type(error).__name__)[:5_000]})
        if not isinstance(error, MnistexpError | KeyboardInterrupt):
            tracker.log_text("".join(traceback.format_exception(error)), "traceback.txt")
        tracker.end("KILLED" if isinstance(error, KeyboardInterrupt | Pruned) else "FAILED")
    # MLflow raises many kinds: its own, those of the database and those of the network.
    except Exception as second:
        if isinstance(error, StoreError):
            return  # It says the same.
        reason = str(second).splitlines()[0]
        print(f"tracking: run {tracker.run_id} could not be closed: {reason}", file=sys.stderr)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())  # A container may run as a user without a name.
