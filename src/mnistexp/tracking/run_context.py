"""Start a run, and close it with its status, also after a failure."""

import getpass
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
from mnistexp.tracking.journal import new_journal_folder, remove_journal
from mnistexp.tracking.journal_tracker import JournalTracker
from mnistexp.tracking.orphaned_runs import process_tags
from mnistexp.tracking.run_store import FOLDER_TAG, PARENT_TAG
from mnistexp.tracking.tracker import Tracker
from mnistexp.tracking.tracking_process import (
    TrackingProcess,
    kill_tracking_process,
    start_tracking_process,
)


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
        TrackingError: the store refuses the run. One that fails for a while does not stop it.
        StoreError: the disk is too full for the record of the run.
    """
    if not isinstance(config, MlflowTracking):
        yield Tracker()
        return
    process = start_tracking_process(config)
    tracker = _start(config, name, tags or {}, resume, process)
    try:
        with sigterm_as_interrupt():
            if process is not None and not process.has_other_accepted_runs(tracker.folder):
                _wait_for_store(tracker, process)
            yield tracker
    except _RefusedError:
        tracker.end("FAILED")
        remove_journal(tracker.folder)
        raise
    except BaseException as error:
        _close_after(error, tracker)
        raise
    else:
        tracker.end("FINISHED")
        if process is not None and process.has_open_runs:
            process.wait_for_first_report(tracker.folder)  # Not waited for at the start.
    finally:
        if process is not None and not process.has_open_runs:
            # The jobs of a sweep do not wait for a failing store. The next one goes on sending.
            _wait_until_sent(process, is_job=PARENT_TAG in (tags or {}))


def _new_run_folder() -> Path:
    """Return an output folder for a run that has none, like those of Hydra."""
    return Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.urandom(4).hex()}"


def _start_tags(config: MlflowTracking, tags: Mapping[str, Any]) -> dict[str, str]:
    source = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL"}
    all_tags = {**source, **process_tags(), **tags, **config.tags}
    return {key: str(value) for key, value in all_tags.items()}


def _start(
    config: MlflowTracking,
    name: str,
    tags: Mapping[str, Any],
    resume: str | None,
    process: TrackingProcess | None,
) -> JournalTracker:
    """Start a run in its journal. The tracking process begins to send it."""
    run_folder = Path(tags.get(FOLDER_TAG) or _new_run_folder())
    all_tags = _start_tags(config, tags) if resume is None else process_tags()
    journal = new_journal_folder(run_folder)
    return JournalTracker(journal, config, name, all_tags, resume, process)


class _RefusedError(TrackingError):
    """The store refuses the run, for example because of a wrong address."""


def _wait_for_store(tracker: JournalTracker, process: TrackingProcess) -> None:
    """Wait until the run is in the store, or the store fails at the moment.

    Raises:
        _RefusedError: the store will not accept the run later either.
    """
    with show_activity("opening the store"):
        report = process.wait_for_first_report(tracker.folder)
    if report.is_refused:
        raise _RefusedError(report.problem)
    if report.problem and not process.has_other_open_runs(tracker.folder):
        print(
            f"tracking: the store does not answer: {report.problem}. The run is recorded in "
            f"{os.path.relpath(tracker.folder.parent)} meanwhile",
            file=sys.stderr,
            flush=True,
        )


def _wait_until_sent(process: TrackingProcess, *, is_job: bool) -> None:
    """Wait until the runs of this process are in the store, and say which are not."""
    with show_activity("sending the run to the store"):
        unsent = process.wait_until_sent(0 if is_job else None)
    if not unsent or is_job:
        return
    # Another process can then send the journals at once.
    kill_tracking_process()
    reason = next((report.problem for report in unsent if report.problem), "no answer")
    if len(unsent) == 1:
        text = f"the run is not in the store: {reason}. Its record is in {unsent[0].folder}. "
    else:
        text = f"{len(unsent)} runs are not in the store: {reason}. Their records are in runs. "
    print(f"tracking: {text}mnistexp sync sends what is left", file=sys.stderr, flush=True)


def _close_after(error: BaseException, tracker: JournalTracker) -> None:
    """Close a run that an exception ended. A full disk must not hide that exception.

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
    except (OSError, StoreError) as second:
        print(f"tracking: the run could not be closed: {second}", file=sys.stderr)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "SIGTERM" if isinstance(error, Terminated) else "Ctrl-C"
    return str(error) or type(error).__name__


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())  # A container may run as a user without a name.
