"""What is said about a run that ends early."""

from pathlib import Path

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.dashboard.recording import Header, RecordingWriter
from mnistexp.experiment.early_end import RunProgress, explain_early_end
from mnistexp.tracking import Tracker
from mnistexp.train import CheckpointFolder


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


def test_a_run_ended_at_its_last_checkpoint_if_that_is_later_than_its_last_metric(
    tmp_path: Path,
) -> None:
    config, _ = compose_config(["model=softmax", "train.steps=200"])
    progress, tracker = RunProgress(config.train.length(100)), IdentifiedTracker()
    progress.follow(lambda metrics, step: None)({"train_loss": 0.5}, 100)
    progress.checkpoints = CheckpointFolder(tmp_path)
    for step in (50, 164):
        (tmp_path / f"step-{step:09}.checkpoint").write_bytes(b"")
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        explain_early_end(progress, tracker, "a", config),
    ):
        raise KeyboardInterrupt
    assert "killed at step 164 of 200" in caught.value.__notes__[0]
    assert tracker.tags_at_end["ended_at"] == "at step 164 of 200"
