"""The file format: reading what was written, also from damaged and incomplete files."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import HEADER, random_frame, write_recording, write_records

from mnistexp.config.compose import compose_config
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Frame, Recording, RecordingWriter
from mnistexp.data import load_data
from mnistexp.errors import DataError, RecordingError


def assert_equal(frame: Frame, expected: Frame) -> None:
    np.testing.assert_equal(asdict(frame), asdict(expected))


def test_a_recording_returns_what_was_written(tmp_path: Path) -> None:
    frames = [random_frame(0, num_test=10_000), random_frame(1)]
    writer = RecordingWriter(tmp_path / "r", HEADER)
    for frame in frames:
        writer.write(frame)
    writer.close("the loss became nan")
    recording = Recording(tmp_path / "r")
    assert recording.header == HEADER
    assert len(recording.frames) == 2
    for frame, expected in zip(recording.frames, frames, strict=True):
        assert_equal(frame, expected)
    assert (recording.ending, recording.fault) == ("the loss became nan", "")


def test_several_readers_follow_one_writer(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", HEADER)
    readers = [Recording(tmp_path / "r") for _ in range(3)]
    writer.write(random_frame(0))
    assert [reader.read_new() for reader in readers] == [True] * 3
    assert [reader.read_new() for reader in readers] == [False] * 3
    assert all(reader.is_running for reader in readers)
    assert_equal(readers[1].frames[0], random_frame(0))
    writer.close("finished")
    assert readers[2].read_new()
    assert not readers[2].is_running


def test_a_recording_of_ten_thousand_steps_is_small(tmp_path: Path) -> None:
    """At the lab's densest cadence, 10 and 50 steps, with random values, which compress badly."""
    writer = RecordingWriter(tmp_path / "r", HEADER)
    for step in range(0, 10_001, 10):
        writer.write(random_frame(step, num_test=10_000 if step % 50 == 0 else 0))
    writer.close("finished")
    assert (tmp_path / "r").stat().st_size < 2.5e6


def test_a_cut_recording_is_read_up_to_its_last_complete_frame(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 10)
    content = (tmp_path / "r").read_bytes()
    (tmp_path / "r").write_bytes(content[:-200])
    recording = Recording(tmp_path / "r")
    assert 8 <= len(recording.frames) < 10
    assert recording.fault.startswith("it was cut ")
    assert not recording.is_running


def test_every_cut_of_a_recording_is_rejected_or_read(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 2)
    content = (tmp_path / "r").read_bytes()
    for size in range(0, len(content), 7):
        (tmp_path / "r").write_bytes(content[:size])
        try:
            recording = Recording(tmp_path / "r")
        except RecordingError:
            assert size < len(content) / 2
        else:
            assert recording.ending is None
            assert recording.fault


def test_a_damaged_recording_is_read_up_to_the_damage(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 10)
    content = bytearray((tmp_path / "r").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "r").write_bytes(content)
    recording = Recording(tmp_path / "r")
    assert 3 <= len(recording.frames) <= 6
    assert recording.fault.startswith("it is damaged after byte ")
    assert_equal(recording.frames[2], random_frame(2))


def test_every_changed_byte_is_detected(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 2)
    content = (tmp_path / "r").read_bytes()
    for position in range(0, len(content), 5):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        (tmp_path / "r").write_bytes(changed)
        try:
            recording = Recording(tmp_path / "r")
        except RecordingError:
            continue
        assert recording.fault
        for step, frame in enumerate(recording.frames):
            assert_equal(frame, random_frame(step))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a recording. No such file"),
        (b"", "Received: an empty file"),
        (b"\x89PNG\r\n", "Received: another kind of file"),
        (b"mnistexp recording 9\n", "Received: a recording of another version"),
        (b"mnistexp recording 2\n\x05", "the start of this recording is damaged"),
        (b"mnistexp recording 2\n" + b"\xff" * 100, "the start of this recording is damaged"),
    ],
)
def test_other_files_are_rejected(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "r").write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        Recording(tmp_path / "r")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Limit the size of files: like on a full disk, writes are cut at the limit, and then fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_frame_that_does_not_fit_on_the_disk_leaves_only_complete_frames(tmp_path: Path) -> None:
    file = tmp_path / "r"
    writer = RecordingWriter(file, HEADER)
    writer.write(random_frame(0))
    complete = file.read_bytes()
    with file_size_limit(len(complete) + 10), pytest.raises(OSError, match="File too large"):
        writer.write(random_frame(1))
    writer.abandon()
    assert file.read_bytes() == complete
    recording = Recording(file)
    assert (len(recording.frames), recording.fault) == (1, "it has no ending")


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "1"},
        {"step": -1},
        {"learning_rate": None},
        {"learning_rate": float("inf")},
        {"batch": np.zeros(100, "f4")},
        {"batch": np.full(100, -1, "i4")},
        {"batch": np.zeros(99, "i4")},
        {"batch": [1] * 100},
        {"on_batch": {"loss": "1", "accuracy": 0.5, "predictions": np.zeros(100, "u1")}},
        {"on_batch": {"loss": 1.0, "accuracy": 0.5, "predictions": np.full(100, 10, "u1")}},
        {"on_batch": {"loss": 1.0, "accuracy": 0.5}},
        {"on_test": 5},
        {"quantiles": {}},
        {"quantiles": {"weights": np.zeros(8, "f4"), "other": np.zeros(8, "f4")}},
        {"quantiles": {"weights": np.zeros(7, "f4"), "biases": np.zeros(8, "f4")}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_crafted_frame_is_damage(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Its checksum is right, so only its values tell that no training wrote it."""
    frames = [asdict(random_frame(0)), asdict(random_frame(1))]
    frames[1]["snapshot"] |= changes
    write_records(tmp_path / "r", [{"header": asdict(HEADER)}, *({"frame": f} for f in frames)])
    recording = Recording(tmp_path / "r")
    assert len(recording.frames) == 1
    assert "it is damaged after byte" in recording.fault


@pytest.mark.parametrize(
    "changes",
    [{"name": 5}, {"num_steps": -1}, {"batch_size": 0}, {"run_id": 3}, {"data": []}],
    ids=str,
)
def test_a_crafted_header_is_damage(tmp_path: Path, changes: dict[str, Any]) -> None:
    RecordingWriter(tmp_path / "r", replace(HEADER, **changes)).close("finished")
    with pytest.raises(RecordingError, match="the start of this recording is damaged"):
        Recording(tmp_path / "r")


@pytest.mark.parametrize(("largest", "num_test"), [(55_000, 0), (54_999, 9_999)])
def test_frames_of_other_images_are_refused(tmp_path: Path, largest: int, num_test: int) -> None:
    digest = load_data(compose_config([])[0].data).digest
    writer = RecordingWriter(tmp_path / "r", replace(HEADER, data_digest=digest))
    frame = random_frame(0, num_test)
    batch = np.array([largest] * 100, "i4")
    writer.write(replace(frame, snapshot=replace(frame.snapshot, batch=batch)))
    writer.close("finished")
    with pytest.raises(RecordingError, match="expected frames of the images of mnist"):
        RecordedRun(tmp_path / "r")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"name": "x", "url": "http://127.0.0.1:9/"}, DataError, "does not contain the data set"),
        ({"name": 1}, RecordingError, "the data settings of this recording are wrong"),
        ({"unknown": 1}, RecordingError, "the data settings of this recording are wrong"),
    ],
)
def test_a_recording_of_someone_else_downloads_nothing_and_is_one_line(
    tmp_path: Path, data: dict[str, object], error: type[Exception], message: str
) -> None:
    RecordingWriter(tmp_path / "r", replace(HEADER, data=data)).close("finished")
    with pytest.raises(error, match=message):
        RecordedRun(tmp_path / "r")
