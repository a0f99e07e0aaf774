"""Recording a real training: what is recorded, what is stored with the run, and failures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.dashboard import ViewerProcess
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Frame, Recording, RecordingWriter
from mnistexp.errors import TrainingDiverged
from mnistexp.experiment import RunResult, run_experiment


def run(*overrides: str) -> RunResult:
    config, _ = compose_config(["data.train_size=2000", "tracking=none", *overrides])
    return run_experiment(config)


def test_a_recording_agrees_with_the_history_of_the_run(
    recorded_run: TrackedRun, opened_run: RecordedRun
) -> None:
    history = recorded_run.result.history
    series = opened_run.series
    assert series.steps.tolist() == list(range(0, 201, 20))
    assert series.steps[series.test_indices].tolist() == [0, 100, 200]
    assert series.test_accuracies[1:].tolist() == list(history["test_accuracy"].values())
    losses = list(history["test_loss"].values())
    assert (series.test_losses[1:] / 100).tolist() == pytest.approx(losses)
    assert opened_run.recording.ending == "finished"
    assert opened_run.recording.header.run_id == recorded_run.result.run_id
    last = opened_run.recording.frames[-1].snapshot.on_test
    assert last is not None
    probabilities = recorded_run.result.learner.predict_probabilities(opened_run.test.images)
    np.testing.assert_array_equal(last.predictions, probabilities.argmax(axis=1))


def test_the_recording_and_a_picture_are_artifacts_of_the_run(recorded_run: TrackedRun) -> None:
    assert recorded_run.result.run_id is not None
    folder = Path(recorded_run.client.download_artifacts(recorded_run.result.run_id, "dashboard"))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["training.png", "training.recording"]
    with Image.open(folder / "training.png") as picture:
        assert picture.size == (1440, 810)
    assert recorded_run.result.recording is not None
    stored = (folder / "training.recording").read_bytes()
    assert stored == recorded_run.result.recording.read_bytes()


def test_a_full_disk_stops_the_recording_but_not_the_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_from_step_20(self: RecordingWriter, frame: Frame) -> None:
        if frame.snapshot.step >= 20:
            raise OSError(28, "No space left on device")
        write(self, frame)

    write = RecordingWriter.write
    monkeypatch.setattr(RecordingWriter, "write", fail_from_step_20)
    result = run("dashboard=record", "train.steps=40", "train.log_every=10")
    assert result.metrics["test_accuracy"] > 0.3
    assert "the recording stopped: No space left on device" in capsys.readouterr().out
    assert result.recording is not None
    assert len(Recording(result.recording).frames) == 2


def test_a_training_that_diverges_is_recorded_up_to_the_failure(
    recorded_run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [
        *("model=five_layers", "optim=sgd", "optim.learning_rate=5.0", "data.scale=1.0"),
        *("train.loss=naive_cross_entropy", "train.log_every=1", "data.train_size=2000"),
        *("dashboard=record", f"tracking.uri=sqlite:///{recorded_run.folder}/mlflow.db"),
    ]
    with pytest.raises(TrainingDiverged):
        run_experiment(*compose_config(settings))
    (file,) = tmp_path.rglob("runs/*/training.recording")
    recording = Recording(file)
    assert recording.frames
    assert recording.ending is not None
    assert "the loss became nan" in recording.ending
    (run,) = recorded_run.client.search_runs(["1"], "tags.diverged = 'true'")
    assert len(recorded_run.client.list_artifacts(run.info.run_id, "dashboard")) == 2


def test_only_a_live_dashboard_opens_a_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def open_viewer(_: object, file: Path) -> ViewerProcess:
        opened.append(file)
        return ViewerProcess()

    monkeypatch.setattr("mnistexp.dashboard.recorder.LiveViewerProcess", open_viewer)
    assert run("dashboard=off", "train.steps=2").recording is None
    assert run("dashboard=record", "train.steps=2").recording is not None
    assert opened == []
    assert opened == [run("dashboard=live", "train.steps=2").recording]
