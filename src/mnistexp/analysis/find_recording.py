"""Find the recording of a run: its folder, or the artifacts of the run."""

import tempfile
from pathlib import Path

from mnistexp.analysis.run_selection import select_run
from mnistexp.dashboard.recording import ARTIFACT_FOLDER, RECORDING_NAME, RECORDING_TAG
from mnistexp.errors import RecordingError
from mnistexp.tracking import RunRecord, RunStore


def find_recording(run: str | None, store: RunStore) -> Path:
    """Return the file of a recording.

    Args:
        run: a run of the store (see `select_run`), the folder of a run, or a recording. Default:
            the newest recording below `runs` in the working folder.

    Raises:
        RecordingError: there is no such file, or the run was not recorded.
        InputError: the store has no such run.
    """
    if run is None:
        return _newest(Path("runs"))
    path = Path(run)
    if path.is_file():
        return path
    if path.is_dir():
        return _newest(path)
    if not store.exists:
        raise RecordingError(
            f"{run}: expected a run of the store, the folder of a run, or a recording. Received: "
            f"no such file, and there is no store at {store.uri}"
        )
    return _recording_of(select_run(store, run), store)


def _newest(folder: Path) -> Path:
    recordings = sorted(folder.rglob(RECORDING_NAME), key=lambda file: file.stat().st_mtime)
    if not recordings:
        raise RecordingError(
            f"{folder}: expected a recording below it. Received: none. Runs are recorded with "
            "dashboard=record; or name a run of the store"
        )
    return recordings[-1]


def _recording_of(run: RunRecord, store: RunStore) -> Path:
    if RECORDING_TAG not in run.tags:
        raise RecordingError(
            f"{run.run_id}: expected a run that was recorded, with dashboard=record or "
            "dashboard=live. Received: one that was not"
        )
    file = Path(run.tags[RECORDING_TAG])
    if file.is_file():
        return file
    folder = tempfile.mkdtemp(prefix="mnistexp-")
    downloaded = store.download(run.run_id, f"{ARTIFACT_FOLDER}/{RECORDING_NAME}", folder)
    if downloaded is None:
        raise RecordingError(
            f"{run.run_id}: expected its recording at {file} or among its artifacts. Received: "
            "none; the run is on another machine, or was killed there"
        )
    return downloaded
