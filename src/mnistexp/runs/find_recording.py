"""Find the recording of a run: in its folder, or among the artifacts of the run."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import ARTIFACT_FOLDER, RECORDING_NAME, RECORDING_TAG
from mnistexp.errors import RecordingError
from mnistexp.runs.run_selection import select_recorded_run
from mnistexp.tracking import RunRecord, RunStore


def find_recorded_run(run: str | None, store: RunStore) -> RecordedRun:
    """Find and open the recording of a run.

    Args:
        run: a run of the store (see `select_run`), the folder of a run, or a recording. Default:
            the newest recording below `runs` in the working folder.

    Raises:
        RecordingError: there is no such file, it cannot be read, or the run was not recorded.
        DataError: the data cannot be read.
        InputError: the store has no such run.
    """
    path = Path("runs" if run is None else run)
    if path.is_file():
        return RecordedRun(path)
    if run is None or path.is_dir():
        return RecordedRun(_find_newest(path))
    if not store.exists:
        raise RecordingError(
            f"{run}: expected a run of the store, the folder of a run, or a recording. Received: "
            f"no such file, and there is no store at {store.uri}"
        )
    return _open_recording_of(select_recorded_run(store, run), store)


def _find_newest(folder: Path) -> Path:
    recordings = sorted(folder.rglob(RECORDING_NAME), key=lambda file: file.stat().st_mtime)
    if not recordings:
        raise RecordingError(
            f"{folder}: expected a folder with a recording below it. Received: none. "
            "Record a run with dashboard=record, or name a run of the store"
        )
    if len(recordings) > 1:
        print(
            f"{folder}: {len(recordings)} recordings; the newest is {recordings[-1]}",
            file=sys.stderr,
        )
    return recordings[-1]


def _open_recording_of(run: RunRecord, store: RunStore) -> RecordedRun:
    if RECORDING_TAG not in run.tags:
        raise RecordingError(
            f"{run.run_id}: expected a run that was recorded, with dashboard=record or "
            "dashboard=live. Received: a run without a recording"
        )
    file = Path(store.current_location(run.tags[RECORDING_TAG]))
    if file.is_file():
        return RecordedRun(file)
    with TemporaryDirectory(prefix="mnistexp-") as folder:
        artifact = f"{ARTIFACT_FOLDER}/{RECORDING_NAME}"
        downloaded = store.download(run.run_id, artifact, folder)
        if downloaded is None:
            raise RecordingError(
                f"{run.run_id}: expected its recording at {file} or among its artifacts. Received: "
                "none. The file was deleted, or is on another computer"
            )
        return RecordedRun(downloaded)  # It is complete, so it is read only once.
