"""A training continues from a checkpoint as if nothing had happened; damaged ones are refused."""

import errno
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from checkpoints import call_with_one_step, checkpoints_of_every_step, results
from support import train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.errors import ConfigError
from mnistexp.signals import Terminated
from mnistexp.train import Checkpoint, CheckpointFolder
from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.checkpoint import StopperState

SHORT = ["train.steps=10", "train.log_every=3", "train.evaluate_every=4"]
"""Segments that end after the steps 3, 4, 6, 8, 9 and 10."""


@pytest.fixture(scope="module")
def data() -> Data:
    """Few images, so that batches contain images of two epochs."""
    settings = ["data.train_size=250", "data.validation_size=100", "data.test_slice=[0,100]"]
    return load_data(compose_config(settings)[0].data)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints")


@pytest.mark.parametrize(
    "settings",
    [
        ["model=five_layers_dropout", "optim=momentum"],
        ["model=softmax", "optim=adam", "train.restore_best_weights=val_accuracy"],
        ["model=softmax", "optim=adam", "augmentation=elastic", "augmentation.erasing=5"],
    ],
    ids=["dropout", "best_weights", "augmentation"],
)
def test_a_training_continues_with_the_same_result(
    data: Data, folder: CheckpointFolder, settings: list[str]
) -> None:
    """`tests/integration/test_resume_steps.py` does this for more networks, at every step."""
    settings = [*settings, *SHORT, "train.evaluate_at_start=true"]
    expected = results(train_network(data, *settings))
    found = checkpoints_of_every_step(data, folder, *settings)
    assert [one.step for one in found] == list(range(1, 11))
    for one in (found[0], found[5], found[9]):  # After step 6 a segment ends, after 10 all do.
        assert results(train_network(data, *settings, start=one)) == expected, one.step


def test_a_longer_training_continues_from_the_end_of_a_shorter_one(
    data: Data, folder: CheckpointFolder
) -> None:
    *_, last = checkpoints_of_every_step(data, folder, *SHORT)
    longer = [*SHORT, "train.steps=15"]
    expected = results(train_network(data, *longer))
    assert results(train_network(data, *longer, start=last)) == expected


def test_a_shorter_training_than_the_checkpoint_is_refused(
    data: Data, folder: CheckpointFolder
) -> None:
    *_, last = checkpoints_of_every_step(data, folder, *SHORT)
    message = "expected a training of at least 10 steps.* Received: one of 9 steps"
    with pytest.raises(ConfigError, match=message):
        train_network(data, *SHORT, "train.steps=9", start=last)


@pytest.mark.parametrize("steps_per_call", [1, 200])
def test_the_number_of_steps_per_call_has_no_influence(
    data: Data, monkeypatch: pytest.MonkeyPatch, steps_per_call: int
) -> None:
    settings = ["model=two_layers", "optim=adam", *SHORT, "train.log_every=10"]
    expected = results(train_network(data, *settings))
    monkeypatch.setattr("mnistexp.train.compiled_trainer.FIRST_CHUNK_STEPS", steps_per_call)
    monkeypatch.setattr("mnistexp.train.compiled_trainer.MAX_CHUNK_STEPS", steps_per_call)
    assert results(train_network(data, *settings)) == expected


def some_checkpoint(step: int) -> Checkpoint:
    position = BatchOrder(10, 2, "every_epoch", seed=0).position
    curves = {"train_loss": ([5], [0.1])}
    stopper = StopperState(wait=1, best=0.5, best_step=4, best_weights=[np.ones(3, "f4")])
    losses = np.array([0.3, 0.4], "f4")
    variables = [np.arange(6, dtype="f4").reshape(2, 3), np.array(step, "i8")]
    return Checkpoint(step, 5, losses, losses, 0.1, 2.5, variables, position, curves, [stopper])


def steps_in(folder: CheckpointFolder) -> list[str]:
    return sorted(file.name for file in folder.path.iterdir())


def test_a_checkpoint_is_read_as_it_was_written(folder: CheckpointFolder) -> None:
    assert folder.is_empty
    folder.write(some_checkpoint(7))
    assert not folder.is_empty
    read = folder.read_latest()
    assert read is not None
    np.testing.assert_equal(asdict(read), asdict(some_checkpoint(7)))


def test_the_last_two_checkpoints_are_kept(folder: CheckpointFolder) -> None:
    for step in (5, 50, 500):
        folder.write(some_checkpoint(step))
    assert steps_in(folder) == ["step-000000050.checkpoint", "step-000000500.checkpoint"]


def change_a_byte(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-9], "its checksum does not match"),
        (change_a_byte, "its checksum does not match"),
        (lambda data: b"", "it does not begin as a checkpoint"),
    ],
    ids=["cut", "altered", "empty"],
)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_used(
    folder: CheckpointFolder,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
    reason: str,
) -> None:
    for step in (5, 6):
        folder.write(some_checkpoint(step))
    latest = max(folder.path.iterdir())
    latest.write_bytes(damage(latest.read_bytes()))
    read = folder.read_latest()
    assert read is not None
    assert read.step == 5
    (line,) = capsys.readouterr().out.splitlines()
    assert str(latest) in line
    assert reason in line
    assert steps_in(folder) == ["step-000000005.checkpoint"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_an_error_in_writing_leaves_the_checkpoint_before(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    folder.write(some_checkpoint(5))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr({"fsync": os, "replace": Path}[failing], failing, fail)
    with pytest.raises(OSError, match="No space left"):
        folder.write(some_checkpoint(6))
    assert steps_in(folder) == ["step-000000005.checkpoint"]


def test_a_full_disk_does_not_end_the_training(
    data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()  # No folder can be created below a file.
    folder = CheckpointFolder(tmp_path / "file" / "checkpoints")
    _, training = train_network(data, *SHORT, "train.checkpoint_every=10", checkpoints=folder)
    assert training.num_steps == 10
    assert "no checkpoint was written after step 10: Not a directory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "unit", "count"),
    [
        ("60s", "second", 60),
        ("90 seconds", "second", 90),
        (500, "step", 500),
        ("1 epoch", "epoch", 1),
    ],
)
def test_the_interval_is_in_seconds_steps_or_epochs(
    setting: str | int, unit: str, count: int
) -> None:
    train = compose_config([f"train.checkpoint_every={setting}"])[0].train
    assert train.checkpoint_every is not None
    assert (train.checkpoint_every.count, train.checkpoint_every.unit) == (count, unit)


@pytest.mark.parametrize("setting", ["0", "often", "1.5", "true", "0 seconds"])
def test_another_interval_is_rejected(setting: str) -> None:
    with pytest.raises(ConfigError, match="train.checkpoint_every: expected '60 seconds'"):
        compose_config([f"train.checkpoint_every={setting}"])


@pytest.mark.parametrize(
    ("interval", "written"),
    [("4 steps", [4, 8, 10]), ("1 epoch", [3, 5, 8, 10]), ("60 seconds", []), ("null", [])],
)
def test_checkpoints_are_written_at_their_interval_and_at_the_end(
    data: Data,
    folder: CheckpointFolder,
    monkeypatch: pytest.MonkeyPatch,
    interval: str,
    written: list[int],
) -> None:
    """An epoch has 2.5 steps. The calls have one step each."""
    call_with_one_step(monkeypatch)
    settings = [*SHORT, f"train.checkpoint_every={interval}"]
    train_network(data, *settings, checkpoints=folder)
    found = steps_in(folder) if folder.path.exists() else []
    assert found == [f"step-{step:09}.checkpoint" for step in written]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_training_with_a_checkpoint_of_its_last_step(
    data: Data, folder: CheckpointFolder, number: signal.Signals
) -> None:
    expected = results(train_network(data, *SHORT))

    def send(metrics: Mapping[str, float], step: int) -> None:
        if step == 6:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt) as caught:
        train_network(data, *SHORT, checkpoints=folder, log_metrics=send)
    assert isinstance(caught.value, Terminated) == (number != signal.SIGINT)
    start = folder.read_latest()
    assert start is not None
    assert 6 < start.step < 10
    assert results(train_network(data, *SHORT, start=start)) == expected


def test_a_signal_after_the_last_step_leaves_a_checkpoint(
    data: Data, folder: CheckpointFolder
) -> None:
    settings = [*SHORT, "train.early_stopping.monitor=val_loss"]
    expected = results(train_network(data, *settings))

    def send(metrics: Mapping[str, float], step: int) -> None:
        if step == 10 and "val_loss" in metrics:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_network(data, *settings, checkpoints=folder, log_metrics=send)
    start = folder.read_latest()
    assert start is not None
    assert start.step == 10
    assert results(train_network(data, *settings, start=start)) == expected
