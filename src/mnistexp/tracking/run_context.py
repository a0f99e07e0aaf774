"""Start a run in the store, and close it with its status, also after a failure."""

import getpass
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from mnistexp.activity import show_activity
from mnistexp.errors import MnistexpError, Pruned, StoreError, TrackingError
from mnistexp.signals import Terminated, sigterm_as_interrupt
from mnistexp.tracking.config import MlflowTracking, TrackingConfig
from mnistexp.tracking.journal import new_journal_folder
from mnistexp.tracking.journal_tracker import JournalTracker
from mnistexp.tracking.mlflow_tracker import MlflowTracker
from mnistexp.tracking.orphaned_runs import process_tags
from mnistexp.tracking.run_store import FOLDER_TAG
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
    """Start a run, and close it as FINISHED, FAILED or KILLED.

    KILLED means ended by Ctrl-C, by SIGTERM, or by the pruner of a search. The tag `reason` says
    why a run is FAILED or KILLED.

    Args:
        config: the store. Without tracking, the tracker records nothing.
        name: the name of a new run.
        tags: tags in addition to those of the settings.
        resume: the id of a run to continue, instead of a new one.

    Raises:
        TrackingError: the store cannot be used; see `open_store`.
        StoreError: the store failed during the run.
    """
    if not isinstance(config, MlflowTracking):
        yield Tracker()
        return
    if config.offline:
        with _offline_run(config, name, tags or {}, resume) as offline_tracker:
            yield offline_tracker
        return
    # MLflow logs a traceback for each database error. StoreError reports the error in one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    with show_activity("opening the store"), _translated_store_errors(name):
        tracker = _start(config, name, tags or {}, resume)
    try:
        # A TrackingError is wrong input before the run starts, and a failure of the store after it.
        with _translated_store_errors(name, TrackingError):
            with sigterm_as_interrupt():
                yield tracker
            tracker.end("FINISHED")
    except BaseException as error:
        _close_after(error, tracker)
        raise


@contextmanager
def _offline_run(
    config: MlflowTracking, name: str, tags: Mapping[str, Any], resume: str | None
) -> Iterator[JournalTracker]:
    """Write a run into its journal only."""
    run_folder = Path(tags.get(FOLDER_TAG) or _new_run_folder())
    all_tags = _start_tags(config, tags) if resume is None else process_tags()
    tracker = JournalTracker(new_journal_folder(run_folder), config, name, all_tags, resume)
    try:
        with sigterm_as_interrupt():
            yield tracker
        tracker.end("FINISHED")
    except BaseException as error:
        _close_after(error, tracker)
        raise


def _new_run_folder() -> Path:
    """Return an output folder for a run that has none, like those of Hydra."""
    return Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.urandom(4).hex()}"


def _start_tags(config: MlflowTracking, tags: Mapping[str, Any]) -> dict[str, str]:
    source = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL"}
    all_tags = {**source, **process_tags(), **tags, **config.tags}
    return {key: str(value) for key, value in all_tags.items()}


def _start(
    config: MlflowTracking, name: str, tags: Mapping[str, Any], resume: str | None
) -> MlflowTracker:
    client, experiment_id = open_store(config)
    if resume is not None:
        client.update_run(resume, status="RUNNING")
        tracker = MlflowTracker(client, resume, experiment_id, config)
        # Its tags still have the reason of its earlier end, and its earlier process.
        tracker.set_tags({"reason": "", **process_tags()})
        return tracker
    run = client.create_run(experiment_id, run_name=name, tags=_start_tags(config, tags))
    return MlflowTracker(client, run.info.run_id, experiment_id, config)


@contextmanager
def _translated_store_errors(run_name: str, *more: type[Exception]) -> Iterator[None]:
    """Turn errors of MLflow, of its database and of its server into a StoreError of one line.

    Args:
        more: further exceptions that mean a failing store.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, *more) as error:
        raise StoreError(
            f"tracking: the store failed during run {run_name}: {_first_line(error)}. If the run "
            "is shown as running, mnistexp doctor --close-orphaned closes it"
        ) from error


def _first_line(error: Exception) -> str:
    """Return the first line of the message that states the error; if empty, the class name."""
    # SQLAlchemy may put a line about its session before the error of the database.
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result")]
    return lines[0] if lines else type(error).__name__


def _close_after(error: BaseException, tracker: MlflowTracker | JournalTracker) -> None:
    """Close a run that an exception ended. A store that fails too must not hide that exception.

    The traceback of an unexpected exception becomes the artifact `traceback.txt`.
    """
    try:
        status = "KILLED" if isinstance(error, KeyboardInterrupt | Pruned) else "FAILED"
        reason = _reason(error)[:5_000]
        tracker.set_tags({"reason": reason, **tracker.tags_at_end})
        tracker.describe_end("Pruned" if isinstance(error, Pruned) else status, reason)
        if not isinstance(error, MnistexpError | KeyboardInterrupt):
            tracker.log_text("".join(traceback.format_exception(error)), "traceback.txt")
        tracker.end(status)
    # MLflow raises many kinds: its own, those of the database and those of the network.
    except Exception as second:
        if isinstance(error, StoreError):
            return  # The first error already reports that the store failed.
        print(
            f"tracking: run {tracker.run_id} could not be closed: {_first_line(second)}",
            file=sys.stderr,
        )


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "SIGTERM" if isinstance(error, Terminated) else "Ctrl-C"
    return str(error) or type(error).__name__


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())  # A container may run as a user without a name.
