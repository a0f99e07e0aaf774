"""Where the recording of a run lies: in its folder, or among its artifacts."""

import tempfile
from pathlib import Path

from mnistexp.dashboard.recording import RECORDING_NAME
from mnistexp.errors import RecordingError
from mnistexp.tracking import MlflowTracking, RunRecord, fetch_artifact, find_run, is_there

ARTIFACT_FOLDER = "dashboard"
"""Among the artifacts of a run."""
RECORDING_TAG = "recording"
"""Of a run: the file while it is written, and as long as nobody removes it."""


def find_recording(run: str | None, uri: str | None = None) -> Path:
    """The recording of a run.

    Args:
        run: its id or name, or its folder, or the file. Default: the newest of the working folder.
        uri: of the store. Default: MLFLOW_TRACKING_URI, else mlflow.db here.

    Raises:
        RecordingError: there is no such run, or it was not recorded.
    """
    if run is None:
        return _newest(Path("runs"))
    path = Path(run)
    if path.is_file():
        return path
    if path.is_dir():
        return _newest(path)
    store = MlflowTracking(type="mlflow", uri=uri)
    found = find_run(store, run) if is_there(store) else None
    if found is None:
        raise RecordingError(
            f"{run}: expected the id or the name of a run in the store, a folder of a run, or a "
            "recording. Received: none of these"
        )
    return _recording_of(found, store)


def _newest(folder: Path) -> Path:
    recordings = sorted(folder.rglob(RECORDING_NAME), key=lambda file: file.stat().st_mtime)
    if not recordings:
        raise RecordingError(
            f"{folder}: expected a recording below it. Received: none. Runs are recorded with "
            "dashboard=record; or name a run of the store"
        )
    return recordings[-1]


def _recording_of(run: RunRecord, store: MlflowTracking) -> Path:
    if RECORDING_TAG not in run.tags:
        raise RecordingError(
            f"{run.run_id}: expected a run that was recorded, with dashboard=record or "
            "dashboard=live. Received: one that was not"
        )
    file = Path(run.tags[RECORDING_TAG])
    if file.is_file():
        return file
    folder = tempfile.mkdtemp(prefix="mnistexp-")
    fetched = fetch_artifact(store, run.run_id, f"{ARTIFACT_FOLDER}/{RECORDING_NAME}", folder)
    if fetched is None:
        raise RecordingError(
            f"{run.run_id}: expected its recording at {file} or among its artifacts. Received: "
            "none, so it runs on another machine, or has been killed there"
        )
    return fetched
