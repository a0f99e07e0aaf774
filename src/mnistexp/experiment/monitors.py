"""Open the monitors of a training: the dashboard's recorder, and TensorBoard's files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mnistexp.config.config import Config
from mnistexp.config.config_source import ConfigSource
from mnistexp.dashboard import (
    ARTIFACT_FOLDER,
    RECORDING_NAME,
    RECORDING_TAG,
    Header,
    ViewerProcess,
    record_training,
    without_viewer,
)
from mnistexp.data import Data
from mnistexp.experiment.resumption import NO_RESUMPTION, Resumption
from mnistexp.tracking import Tracker
from mnistexp.train import NO_MONITORS, Monitors

TENSORBOARD_FOLDER = "tensorboard"
"""The folder of TensorBoard's event files, in the output folder of the run."""


@dataclass(frozen=True)
class OpenMonitors:
    """The monitors of a run.

    monitors: the argument of `fit`. recording: the file; None if the run is not recorded.
    viewer: the process that shows the recording.
    """

    monitors: Monitors = NO_MONITORS
    recording: Path | None = None
    viewer: ViewerProcess = field(default_factory=ViewerProcess)


@contextmanager
def open_monitors(
    config: Config,
    source: ConfigSource,
    run_name: str,
    data: Data,
    tracker: Tracker,
    resumption: Resumption = NO_RESUMPTION,
) -> Iterator[OpenMonitors]:
    """Open the monitors that the settings name, and close them at the end.

    Their files are in the output folder of the run. The recording is also an artifact of the run.
    """
    dashboard = without_viewer(config.dashboard) if config.sweep.job else config.dashboard
    if dashboard.type == "off" and not config.tracking.tensorboard:
        yield OpenMonitors()
        return
    folder = source.folder or Path(tempfile.mkdtemp(prefix="mnistexp-"))
    folder.mkdir(parents=True, exist_ok=True)
    tensorboard = folder / TENSORBOARD_FOLDER if config.tracking.tensorboard else None
    if dashboard.type == "off":
        yield OpenMonitors(Monitors(None, tensorboard))
        return
    file = (folder / RECORDING_NAME).absolute()
    tracker.set_tags({RECORDING_TAG: file})
    store_file = partial(tracker.log_artifact, folder=ARTIFACT_FOLDER)
    header = _recording_header(config, run_name, data, tracker.run_id)
    continued = resumption.continued_recording
    with record_training(dashboard, file, header, store_file, continued) as recording:
        monitors = Monitors(recording.recorder, tensorboard)
        yield OpenMonitors(monitors, recording.file, recording.viewer)


def _recording_header(config: Config, run_name: str, data: Data, run_id: str | None) -> Header:
    settings = config.data.model_dump(mode="json")
    if config.data.directory is not None:
        settings["directory"] = str(Path(config.data.directory).absolute())
    return Header(
        name=run_name,
        run_id=run_id,
        num_steps=config.train.num_steps(len(data.train)),
        batch_size=config.train.batch_size,
        data=settings,
        data_digest=data.digest,
    )
