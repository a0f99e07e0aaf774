"""What is said about a run that ends early."""

from pathlib import Path

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.dashboard.recording import Header, RecordingWriter
from mnistexp.experiment.early_end import RunProgress, explain_early_end
from mnistexp.tracking import Tracker


class IdentifiedTracker(Tracker):
    """A tracker of a run with an id."""

    @property
    def run_id(self) -> str:
        return "0123456789"


def test_a_recording_without_frames_is_not_offered(tmp_path: Path) -> None:
    config, _ = compose_config(["model=softmax", "dashboard=record"])
    progress, tracker = RunProgress(config.train.length(100)), IdentifiedTracker()
    progress.recording = tmp_path / "training.recording"
    RecordingWriter(progress.recording, Header("a", None, 5, 100, {}, "")).close("Ctrl-C")
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        explain_early_end(progress, tracker, "a", config),
    ):
        raise KeyboardInterrupt
    ended, kept = caught.value.__notes__
    assert ended == "Run a, id 0123456789, killed at step 0 of 5"
    assert kept == "Kept: settings, metrics. The model is saved only at the end of a run"
