"""Who looks on while a run is trained: the dashboard's recording, and TensorBoard."""

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
    recorded,
    without_view,
)
from mnistexp.data import Data
from mnistexp.tracking import Tracker
from mnistexp.train import NO_MONITORS, Monitors

SUMMARIES = "tensorboard"
"""The folder of the event files, in the folder of a run."""


@dataclass(frozen=True)
class Observation:
    """What looks on. recording: the file, if there is one. audience: the view that is open."""

    monitors: Monitors = NO_MONITORS
    recording: Path | None = None
    audience: ViewerProcess = field(default_factory=ViewerProcess)


@contextmanager
def observing(
    config: Config, origin: ConfigSource, name: str, data: Data, tracker: Tracker
) -> Iterator[Observation]:
    """What the settings want to look on, while this lasts.

    The files lie in the run's folder; the recording is kept with the run's artifacts as well.

    Args:
        name: of the run.
    """
    dashboard = without_view(config.dashboard) if config.sweep.job else config.dashboard
    if dashboard.type == "off" and not config.tracking.tensorboard:
        yield Observation()
        return
    folder = origin.folder or Path(tempfile.mkdtemp(prefix="mnistexp-"))
    summaries = folder / SUMMARIES if config.tracking.tensorboard else None
    if dashboard.type == "off":
        yield Observation(Monitors(None, summaries))
        return
    file = (folder / RECORDING_NAME).absolute()
    tracker.set_tags({RECORDING_TAG: file})
    keep = partial(tracker.log_artifact, folder=ARTIFACT_FOLDER)
    header = _header(config, name, data, tracker.run_id)
    with recorded(dashboard, file, header, keep) as watched:
        yield Observation(Monitors(watched.recorder, summaries), watched.file, watched.audience)


def _header(config: Config, name: str, data: Data, run_id: str | None) -> Header:
    settings = config.data.model_dump(mode="json")
    if config.data.directory is not None:
        settings["directory"] = str(Path(config.data.directory).absolute())
    return Header(
        name=name,
        run_id=run_id,
        num_steps=config.train.num_steps(len(data.train)),
        batch_size=config.train.batch_size,
        data=settings,
        data_digest=data.digest,
    )
