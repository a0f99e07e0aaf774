"""The file format of a recording: a small file that grows during the training.

The file starts with a line that names the format and its version. Records follow. Each record is
a MessagePack map, compressed by zlib (which adds a checksum), as a MessagePack byte string. The
first record is the header, the last one states how the training ended, and all others are frames.
The writer holds a lock on the file, so a reader can see whether the recording still grows.
"""

import fcntl
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np

from mnistexp.errors import RecordingError
from mnistexp.file_writing import append_whole
from mnistexp.train import Evaluation, Snapshot
from mnistexp.train.snapshot import NUM_BANDS

RECORDING_NAME = "training.recording"
"""File name of a recording, in the folder of its run and among the run's artifacts."""
ARTIFACT_FOLDER = "dashboard"
"""Folder of the recording among the artifacts of a run."""
RECORDING_TAG = "recording"
"""Tag of a run: the path of its recording."""
FORMAT = b"mnistexp recording "
MAGIC = FORMAT + b"2\n"
MAX_RECORD = 16 * 2**20
"""In bytes. All real records are far smaller, so a larger size is a sign of damage."""
NUM_SOURCES = 2
"""Each snapshot has the quantiles of two sources."""
DAMAGE_ERRORS = (KeyError, TypeError, ValueError, zlib.error)
"""The exceptions that a damaged record raises."""


@dataclass(frozen=True)
class Header:
    """The training that a recording belongs to.

    name: of the run. run_id: None if the run is not tracked. num_steps: planned steps.
    batch_size: images per step. data: the data settings; frames refer to these images by index.
    data_digest: SHA-256 of the data files.
    """

    name: str
    run_id: str | None
    num_steps: int
    batch_size: int
    data: Mapping[str, Any]
    data_digest: str

    @property
    def num_classes(self) -> int:
        """The number of classes of the data; 10 in recordings that do not say it."""
        number: int = self.data.get("num_classes", 10)
        return number


@dataclass(frozen=True)
class Frame:
    """A snapshot of the network, and its time in seconds since the start of the training."""

    snapshot: Snapshot
    seconds: float


@dataclass(frozen=True)
class ContinuedRecording:
    """An earlier recording that a new one continues.

    file: of the earlier one. last_step: of the last frame that is kept. seconds: time of the
    training before the new recording begins.
    """

    file: Path
    last_step: int
    seconds: float

    def read_frames(self) -> list[Frame]:
        """Return the frames that are kept; none if the file cannot be read."""
        try:
            frames = Recording(self.file).frames
        except RecordingError:
            return []
        return [frame for frame in frames if frame.snapshot.step <= self.last_step]


class RecordingWriter:
    """Writes a new recording. The file is locked until `close` or `abandon`."""

    def __init__(self, file: Path, header: Header, frames: Iterable[Frame] = ()) -> None:
        """Create the file, and write the header and the first frames.

        An earlier recording of this name is replaced as a whole.

        Raises:
            OSError: the file cannot be written.
        """
        unfinished = file.with_name(f"{file.name}.unfinished")
        self._stream = unfinished.open("wb", buffering=0)
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX)
            self._append(MAGIC + _encode_record({"header": asdict(header)}))
            for frame in frames:
                self.write(frame)
            unfinished.replace(file)
        except OSError:
            self._stream.close()
            raise

    def write(self, frame: Frame) -> None:
        """Append a frame. If that fails with an OSError, the file ends with the frame before."""
        self._append(_encode_record({"frame": asdict(frame)}))

    def close(self, ending: str) -> None:
        """Append how the training ended, `finished` or the reason, and close the file."""
        with self._stream:
            self._append(_encode_record({"ending": ending}))

    def abandon(self) -> None:
        """Close the file without an ending."""
        self._stream.close()

    def _append(self, content: bytes) -> None:
        append_whole(self._stream, content)


class Recording:
    """The content of a recording. It may still grow: `read_new` reads the frames that were added.

    header: describes the training. frames: in order of time. ending: how the training ended; None
    while it runs, and if the file is incomplete. fault: why the rest of the file cannot be read;
    empty if there is no fault.
    """

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raises:
            RecordingError: the file does not exist, is not a recording, or its start is damaged.
        """
        self.file = file
        self.frames: list[Frame] = []
        self.ending: str | None = None
        self.fault = ""
        try:
            with file.open("rb") as stream:
                self._position = len(MAGIC)
                self.header = self._read_header(stream)
        except OSError as error:
            raise RecordingError(f"{file}: expected a recording. {error.strerror}") from error
        except DAMAGE_ERRORS as error:
            raise RecordingError(f"{file}: the start of this recording is damaged") from error
        self.read_new()

    def read_new(self) -> bool:
        """Read what was added to the file. Return whether anything has changed."""
        before = len(self.frames), self.ending, self.fault
        if self.is_running:
            try:
                with self.file.open("rb") as stream:
                    self._read_frames(stream)
            except OSError as error:
                self.fault = f"it can no longer be read: {error.strerror}"
        return before != (len(self.frames), self.ending, self.fault)

    @property
    def is_running(self) -> bool:
        """Whether more frames may be added."""
        return self.ending is None and not self.fault

    def _read_header(self, stream: BinaryIO) -> Header:
        magic = stream.read(len(MAGIC))
        if magic != MAGIC:
            raise RecordingError(
                f"{self.file}: expected {RECORDING_NAME} of a run. "
                f"Received: {_describe_start(magic)}"
            )
        for record in self._read_records(stream):
            return _decode_header(record["header"])
        raise ValueError("there is no header")

    def _read_frames(self, stream: BinaryIO) -> None:
        # Test the lock first. A frame that is written after the test is read by the next call.
        is_locked = _is_locked(stream)
        try:
            for record in self._read_records(stream):
                if "ending" in record:
                    self.ending = str(record["ending"])
                else:
                    self.frames.append(
                        _decode_frame(record["frame"], self.header.num_classes, self.frames[-1:])
                    )
        except DAMAGE_ERRORS:
            self.fault = f"it is damaged after byte {self._position}"
        if self.is_running and not is_locked:
            extra = stream.seek(0, os.SEEK_END) - self._position
            self.fault = (
                f"it was cut {extra} bytes after its last frame" if extra else "it has no ending"
            )

    def _read_records(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        """Yield the complete records from the position on, and move the position."""
        start = stream.seek(self._position)
        unpacker = msgpack.Unpacker(stream, max_bin_len=MAX_RECORD)
        for payload in unpacker:  # Ends before a record that is not complete (yet).
            content = zlib.decompressobj().decompress(payload, MAX_RECORD)
            record = msgpack.unpackb(content, object_hook=_decode_array)
            self._position = start + unpacker.tell()
            yield record


def _is_locked(stream: BinaryIO) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _encode_record(content: Mapping[str, Any]) -> bytes:
    # Level 1: better compression gains little here, and it would slow down the training.
    payload = zlib.compress(msgpack.packb(content, default=_encode_array), 1)
    return bytes(msgpack.packb(payload))


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "values": array.tobytes()}


def _decode_array(packed: dict[str, Any]) -> Any:
    if packed.keys() != {"dtype", "values"}:
        return packed
    return np.frombuffer(packed["values"], packed["dtype"])


def _decode_header(packed: Mapping[str, Any]) -> Header:
    """Return a header. Raises ValueError if a value has another type: anyone can write a file."""
    header = Header(**packed)
    _check(isinstance(header.name, str) and isinstance(header.data_digest, str))
    _check(header.run_id is None or isinstance(header.run_id, str))
    _check(isinstance(header.data, dict) and isinstance(header.num_classes, int))
    _check(_is_number(header.num_steps) and _is_number(header.batch_size))
    _check(header.batch_size > 0)
    return header


def _decode_frame(packed: Mapping[str, Any], num_classes: int, previous: Sequence[Frame]) -> Frame:
    """Return a frame. Raises ValueError if it is not as the writer of a training wrote it.

    Args:
        previous: the frame before it, if there is one.
    """
    values = packed["snapshot"]
    on_test = values["on_test"] and _decode_evaluation(values["on_test"], num_classes)
    evaluations = {
        "on_batch": _decode_evaluation(values["on_batch"], num_classes),
        "on_test": on_test,
    }
    frame = Frame(Snapshot(**{**values, **evaluations}), packed["seconds"])
    snapshot = frame.snapshot
    _check(isinstance(snapshot.step, int) and snapshot.step >= 0)
    _check(_is_number(snapshot.learning_rate) and _is_number(frame.seconds))
    _check(_is_array(snapshot.batch, "i"))
    _check(len(snapshot.batch) == len(snapshot.on_batch.predictions))
    _check(len(snapshot.batch) == 0 or snapshot.batch.min() >= 0)
    _check(snapshot.augmented is None or _is_array(snapshot.augmented, "u"))
    _check(isinstance(snapshot.quantiles, dict) and len(snapshot.quantiles) == NUM_SOURCES)
    for name, edges in snapshot.quantiles.items():
        _check(isinstance(name, str) and _is_array(edges, "f") and len(edges) == NUM_BANDS + 1)
    for earlier in previous:
        _check(list(snapshot.quantiles) == list(earlier.snapshot.quantiles))
    return frame


def _decode_evaluation(packed: Mapping[str, Any], num_classes: int) -> Evaluation:
    evaluation = Evaluation(**packed)
    _check(isinstance(evaluation.loss, int | float))  # It may be NaN.
    _check(isinstance(evaluation.accuracy, int | float))
    predictions = evaluation.predictions
    _check(_is_array(predictions, "u") and (predictions < num_classes).all())
    return evaluation


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number that is not negative."""
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _is_array(value: Any, kind: str) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == kind


def _check(is_valid: Any) -> None:
    if not is_valid:
        raise ValueError("not as written by a training")


def _describe_start(magic: bytes) -> str:
    if not magic:
        return "an empty file"
    if magic.startswith(FORMAT):
        return "a recording of another version of mnistexp"
    return "another kind of file"
