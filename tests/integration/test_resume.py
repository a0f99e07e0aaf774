"""`mnistexp resume`: a run that was interrupted goes on, and ends as if it had not been."""

import json
import os
import re
import shutil
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from support import Command, interrupt_after_first_checkpoint, one_line, run_command

from mnistexp.dashboard.recording import RECORDING_NAME, Recording
from mnistexp.tracking.journal import JournalWriter
from mnistexp.tracking.orphaned_runs import process_tags
from mnistexp.train import CheckpointFolder

pytestmark = pytest.mark.integration

SETTINGS = (
    *("model=two_layers", "optim=adam", "data.train_size=1000", "data.validation_size=200"),
    *("train.log_every=10", "train.evaluate_every=20", "train.checkpoint_every=15"),
    *("train.steps=60", "tracking.figures=false", "dashboard=record"),
)


def client() -> mlflow.MlflowClient:
    # MLflow keeps stores by their address.
    return mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")


def all_runs() -> list[Any]:
    """All runs of the working folder, the newest first."""
    ids = [experiment.experiment_id for experiment in client().search_experiments()]
    return list(client().search_runs(ids))


def run_named(name: str) -> Any:
    """The first run with a name."""
    return [run for run in all_runs() if run.info.run_name == name][-1]


def checkpoints_of(name: str) -> CheckpointFolder:
    """The checkpoints of a run in the working folder, which may be a copy of its own folder."""
    *_, run, folder = Path(run_named(name).data.tags["checkpoints"]).parts
    return CheckpointFolder(Path("runs", run, folder))


def recording_of(name: str) -> Recording:
    folder = Path(run_named(name).data.tags["folder"]).name
    return Recording(Path("runs", folder, RECORDING_NAME))


def metrics_of(run_id: str) -> dict[str, list[tuple[int, float]]]:
    """All points of all metrics but times and memory, as MLflow's client reads them."""
    return {
        name: [(point.step, point.value) for point in client().get_metric_history(run_id, name)]
        for name in client().get_run(run_id).data.metrics
        if not name.startswith("system/")
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with two runs of 60 steps: `whole`, and `cut`, which Ctrl-C ended."""
    folder = tmp_path_factory.mktemp("resume")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command(*SETTINGS, "tracking.run_name=whole") == 0
        interrupt_after_first_checkpoint(patch)
        assert run_command(*SETTINGS, "tracking.run_name=cut") == 130
    return folder


@pytest.fixture
def folder(mnistexp: Command, trained: Path, tmp_path: Path) -> Path:
    """A copy of the folder, which is the working folder."""
    return Path(shutil.copytree(trained, tmp_path, dirs_exist_ok=True))


def test_an_interrupted_run_goes_on_as_if_it_had_not_been_interrupted(
    mnistexp: Command, folder: Path
) -> None:
    before = run_named("cut")
    assert before.info.status == "KILLED"
    result = mnistexp("resume", "cut")
    assert result.exit_code == 0, result.err
    assert "cut: continuing after step 20 of 60" in result.out
    cut, whole = run_named("cut"), run_named("whole")
    assert cut.info.run_id == before.info.run_id
    assert cut.info.status == "FINISHED"
    assert not cut.data.tags["reason"]
    assert not cut.data.tags["ended_at"]
    assert metrics_of(cut.info.run_id) == metrics_of(whole.info.run_id)
    for tag in ("weights_sha256", "config_hash"):
        assert cut.data.tags[tag] == whole.data.tags[tag]
    speeds = client().get_metric_history(cut.info.run_id, "system/images_per_second")
    assert [point.step for point in speeds] == [10, 20, 30, 40, 50, 60]


def test_a_record_that_the_store_lacks_is_sent_before_the_run_goes_on(
    mnistexp: Command, folder: Path
) -> None:
    """The run got to step 30 after its last checkpoint, but the store did not get that."""
    before, whole = run_named("cut"), run_named("whole")
    loss = dict(metrics_of(whole.info.run_id)["train_loss"])[30]
    journal = JournalWriter(Path("runs", Path(before.data.tags["folder"]).name, "journal"))
    journal.append(
        "start",
        id="0123",
        uri=f"sqlite:///{folder}/mlflow.db",
        experiment="mnistexp",
        name="cut",
        tags={},
        resume=before.info.run_id,
    )
    journal.append("metrics", values={"train_loss": loss}, step=30)
    journal.close()
    result = mnistexp("resume", "cut")
    assert result.exit_code == 0, result.err
    assert not journal.folder.exists()
    found, expected = metrics_of(before.info.run_id), metrics_of(whole.info.run_id)
    for name, points in expected.items():
        assert sorted(found[name]) == sorted(points)


def test_the_recording_goes_on(mnistexp: Command, folder: Path) -> None:
    assert mnistexp("resume", "cut").exit_code == 0
    recordings = [recording_of(name) for name in ("cut", "whole")]
    steps, expected_steps = ([f.snapshot.step for f in one.frames] for one in recordings)
    assert steps == expected_steps == [0, 10, 20, 30, 40, 50, 60]
    for frame, expected in zip(recordings[0].frames, recordings[1].frames, strict=True):
        np.testing.assert_equal(asdict(frame.snapshot), asdict(expected.snapshot))
    seconds = [frame.seconds for frame in recordings[0].frames]
    assert seconds == sorted(seconds)
    assert recordings[0].ending == "finished"


def test_the_seconds_before_the_interruption_are_added(mnistexp: Command, folder: Path) -> None:
    checkpoints = checkpoints_of("cut")
    start = checkpoints.read_latest()
    assert start is not None
    checkpoints.write(replace(start, seconds=10_000.0))
    assert mnistexp("resume", "cut").exit_code == 0
    metrics = run_named("cut").data.metrics
    assert metrics["system/train_seconds"] > 10_000
    assert metrics["system/seconds"] > metrics["system/train_seconds"]


def test_a_longer_training_is_a_new_run_equal_to_one_of_this_length(
    mnistexp: Command, folder: Path
) -> None:
    before = run_named("whole")
    assert mnistexp("resume", "whole", "train.steps=80").exit_code == 0
    longer = all_runs()[0]
    assert mnistexp(*SETTINGS, "train.steps=80", "tracking.run_name=from_start").exit_code == 0
    expected = run_named("from_start")
    assert longer.info.run_id != before.info.run_id
    assert longer.data.tags["resumed_from"] == before.info.run_id
    assert longer.data.params["train.steps"] == "80"
    assert "train.steps=80" in longer.data.tags["mlflow.source.name"]
    assert "train.steps=60" not in longer.data.tags["mlflow.source.name"]
    for tag in ("weights_sha256", "config_hash"):
        assert longer.data.tags[tag] == expected.data.tags[tag]
    assert metrics_of(longer.info.run_id) == metrics_of(expected.info.run_id)
    assert run_named("whole").data.to_dictionary() == before.data.to_dictionary()


def test_metrics_that_the_store_already_has_are_not_sent_again(
    mnistexp: Command, folder: Path
) -> None:
    """After a kill, the store may have metrics of later steps, or lack those of earlier ones."""
    cut, whole = run_named("cut"), run_named("whole")
    for point in client().get_metric_history(whole.info.run_id, "train_loss"):
        client().log_metric(cut.info.run_id, "train_loss", point.value, step=point.step)
    database = sqlite3.connect("mlflow.db")
    with database:
        where = f"run_uuid = '{cut.info.run_id}' AND key = 'train_accuracy'"
        database.execute(f"DELETE FROM metrics WHERE {where}")
        database.execute(f"DELETE FROM latest_metrics WHERE {where}")
    database.close()
    assert mnistexp("resume", "cut").exit_code == 0
    losses = client().get_metric_history(cut.info.run_id, "train_loss")
    assert sorted({point.step for point in losses}) == [10, 20, 30, 40, 50, 60]
    assert (
        metrics_of(cut.info.run_id)["train_accuracy"]
        == metrics_of(whole.info.run_id)["train_accuracy"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["whole"], "whole: expected a run that has not finished, or a greater length. Received: "),
        (["whole", "train.steps=50"], "whole: expected a run that has not finished"),
        (["cut", "train.steps=10"], "train.steps=10: expected at least the 20 steps"),
        (["cut", "seed=1"], "expected train.epochs=N or train.steps=N, since all other settings"),
        (["cut", "train.epochs=0"], "expected train.epochs=N or train.steps=N"),
    ],
)
def test_what_cannot_be_continued_is_refused(
    mnistexp: Command, folder: Path, arguments: list[str], message: str
) -> None:
    result = mnistexp("resume", *arguments)
    assert result.exit_code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_a_run_whose_process_lives_is_refused(mnistexp: Command, folder: Path) -> None:
    run_id = run_named("cut").info.run_id
    client().update_run(run_id, status="RUNNING")
    for tag, value in process_tags().items():
        client().set_tag(run_id, tag, value)
    result = mnistexp("resume", "cut")
    assert result.exit_code == 2
    assert "cut: expected a run that has ended. Received: " in result.err
    assert f"{os.getpid()}. End it first" in result.err


def test_without_a_checkpoint_the_message_says_what_to_do(mnistexp: Command, folder: Path) -> None:
    client().set_tag(run_named("cut").info.run_id, "checkpoints", str(folder / "nowhere"))
    result = mnistexp("resume", "cut")
    assert result.exit_code == 2
    assert "cut: expected a checkpoint. Received: " in result.err
    assert "mnistexp rerun" in result.err
    client().set_tag(run_named("whole").info.run_id, "checkpoints", str(folder / "nowhere"))
    finished = mnistexp("resume", "whole").err
    assert re.search(r"To train longer: mnistexp rerun \w+ --print .* set train.steps=N", finished)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    mnistexp: Command, folder: Path
) -> None:
    run_id = run_named("whole").info.run_id
    assert mnistexp("resume", run_id, "train.steps=70").exit_code == 0
    expected = all_runs()[0].data.tags["weights_sha256"]
    latest = max(checkpoints_of("whole").path.iterdir())
    latest.write_bytes(latest.read_bytes()[:-1])
    result = mnistexp("resume", run_id, "train.steps=70")
    assert result.exit_code == 0
    assert f"{latest.name}: this checkpoint is damaged" in one_line(result.out)
    assert all_runs()[0].data.tags["weights_sha256"] == expected


def test_a_decay_that_depends_on_the_length_allows_no_other_length(
    mnistexp: Command, folder: Path
) -> None:
    settings = (*SETTINGS, "optim/decay=cosine", "tracking.run_name=cosine")
    assert mnistexp(*settings).exit_code == 0
    result = mnistexp("resume", "cosine", "train.steps=80")
    assert result.exit_code == 2
    assert "optim.decay: expected a decay that does not depend on the length" in result.err


def test_a_greater_length_does_not_switch_to_xla(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XLA rounds in another way, so the weights would be those of no training of one kind."""
    monkeypatch.setattr("mnistexp.learner.network.MIN_STEPS_OF_SINGLE_LAYER", 80)
    settings = (*SETTINGS, "model=softmax", "optim=sgd")
    assert mnistexp(*settings, "tracking.run_name=short").exit_code == 0
    assert run_named("short").data.tags["xla"] == "off"
    assert mnistexp("resume", "short", "train.steps=80").exit_code == 0
    resumed = all_runs()[0]
    assert resumed.data.tags["resumed_from"] == run_named("short").info.run_id
    assert resumed.data.params["device.xla"] == "off"
    assert mnistexp(*settings, "train.steps=80", "device.xla=off").exit_code == 0
    for tag in ("weights_sha256", "config_hash"):
        assert resumed.data.tags[tag] == all_runs()[0].data.tags[tag]


def test_the_command_to_continue_is_printed(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after_first_checkpoint(monkeypatch)
    result = mnistexp(*SETTINGS)
    assert result.exit_code == 130
    (run,) = all_runs()
    assert f"To continue it: mnistexp resume {run.info.run_id[:8]}" in result.err.splitlines()
    shown = mnistexp("show", run.info.run_id)
    reason = f"Ctrl-C\n  To continue it: mnistexp resume {run.info.run_id[:8]}\n"
    assert f"Why it was killed\n  {reason}" in shown.out
    assert json.loads(mnistexp("show", run.info.run_id, "--json").out)["resume"] in reason
