"""The recording of a training: a small file that grows while it is written.

It starts with a line that names the format. Then come records, each with a frame of 8 bytes: the
number of its bytes and their CRC-32, both little-endian. A record is a MessagePack map, compressed
by zlib. The first is the header, the others are moments, and the last says how it ended. A record
is handed to the operating system whole, so that the last one of a process that is killed is there
or is not. Whoever writes a recording holds a lock on it, by which others see that it is not over.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np

from mnistexp.errors import RecordingError
from mnistexp.train import Evaluation, Snapshot

RECORDING_NAME = "training.recording"
"""Name of the file in the folder of its run and among the artifacts."""
ARTIFACT_FOLDER = "dashboard"
"""Folder of the recording among the artifacts of a run."""
RECORDING_TAG = "recording"
"""Tag of a run: the path of its recording."""
MAGIC = b"mnistexp recording 1\n"
FRAME = struct.Struct("<II")
MAX_RECORD = 16 * 2**20
"""Bytes; no record is near it, so a larger one is none."""


@dataclass(frozen=True)
class Header:
    """What a recording is of.

    name: of the run. run_id: None if it is not tracked. num_steps: how long it is to train.
    batch_size: images per step. data: the settings of the data, whose images the recording refers
    to. data_digest: SHA-256 of its files.
    """

    name: str
    run_id: str | None
    num_steps: int
    batch_size: int
    data: Mapping[str, Any]
    data_digest: str


@dataclass(frozen=True)
class Moment:
    """What was seen, and how many seconds after the start of the training."""

    snapshot: Snapshot
    seconds: float


class Writer:
    """Appends to a new recording, which is locked until it is closed."""

    def __init__(self, file: Path, header: Header) -> None:
        """Raises: OSError: the file cannot be written."""
        self._stream = file.open("wb", buffering=0)
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        self._stream.write(MAGIC + _framed({"header": asdict(header)}))

    def write(self, moment: Moment) -> None:
        """Append a moment."""
        self._stream.write(_framed({"moment": _pack_moment(moment)}))

    def close(self, ending: str) -> None:
        """Append how it ended, `finished` or the reason, and let go."""
        with self._stream:
            self._stream.write(_framed({"ending": ending}))

    def abandon(self) -> None:
        """Let go, as it is."""
        self._stream.close()


class Recording:
    """A recording as far as it could be read; `read_new` reads what was added since.

    header: what it is of. moments: by time. ending: how it ended; None while it is written, and
    where it was cut. fault: what is wrong with the rest of the file, empty if nothing is.
    """

    def __init__(self, file: Path) -> None:
        """Read all that is there.

        Raises:
            RecordingError: there is no such file, it is no recording, or its start is damaged.
        """
        self.file = file
        self.moments: list[Moment] = []
        self.ending: str | None = None
        self.fault = ""
        try:
            with file.open("rb") as stream:
                self.header = self._read_header(stream)
                self._read = stream.tell()
        except OSError as error:
            raise RecordingError(f"{file}: expected a recording. {error.strerror}") from error
        self.read_new()

    def read_new(self) -> bool:
        """Read what was added; whether anything was."""
        before = len(self.moments), self.ending, self.fault
        if self.is_running:
            try:
                with self.file.open("rb") as stream:
                    self._read_on(stream)
            except OSError as error:
                self.fault = f"it cannot be read any more: {error.strerror}"
        return before != (len(self.moments), self.ending, self.fault)

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self.ending is None and not self.fault

    def _read_header(self, stream: BinaryIO) -> Header:
        magic = stream.read(len(MAGIC))
        if magic != MAGIC:
            raise RecordingError(
                f"{self.file}: expected {RECORDING_NAME} of a run. Received: {_what(magic)}"
            )
        try:
            record = _read_record(stream)
            if record is None:
                raise ValueError("no header")
            return Header(**record["header"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(
                f"{self.file}: the start of this recording is damaged, so it cannot be played"
            ) from error

    def _read_on(self, stream: BinaryIO) -> None:
        was_written = _is_locked(stream)  # Asked first: what is written later is read later.
        stream.seek(self._read)
        try:
            while (record := _read_record(stream)) is not None:
                self._take(record)
                self._read = stream.tell()
        except (KeyError, TypeError, ValueError):
            self.fault = f"it is damaged behind byte {self._read}"
        if self.is_running and not was_written:
            cut = stream.seek(0, os.SEEK_END) - self._read
            self.fault = f"it is cut {cut} bytes behind its last moment" if cut else "it has no end"

    def _take(self, record: Mapping[str, Any]) -> None:
        if "ending" in record:
            self.ending = str(record["ending"])
        else:
            self.moments.append(_unpack_moment(record["moment"]))


def _is_locked(stream: BinaryIO) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _framed(content: Mapping[str, Any]) -> bytes:
    # Level 1: most of it is random to a compressor anyway, and time counts while it trains.
    payload = zlib.compress(msgpack.packb(content), 1)
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _read_record(stream: BinaryIO) -> dict[str, Any] | None:
    frame = stream.read(FRAME.size)
    if len(frame) < FRAME.size:
        return None
    size, checksum = FRAME.unpack(frame)
    if size > MAX_RECORD:
        raise ValueError("a record that is too large")
    payload = stream.read(size)
    if len(payload) < size:
        return None
    if zlib.crc32(payload) != checksum:
        raise ValueError("a record whose checksum is wrong")
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(payload, MAX_RECORD)
    if not decompressor.eof:
        raise ValueError("a record that is too large")
    record = msgpack.unpackb(content)
    if not isinstance(record, dict):
        raise ValueError("a record that is no map")
    return record


def _pack_moment(moment: Moment) -> dict[str, Any]:
    snapshot = moment.snapshot
    return {
        "seconds": moment.seconds,
        "step": snapshot.step,
        "learning_rate": snapshot.learning_rate,
        "batch": snapshot.batch.astype("<i4").tobytes(),
        "on_batch": _pack_evaluation(snapshot.on_batch),
        "quantiles": {name: s.astype("<f4").tobytes() for name, s in snapshot.quantiles.items()},
        "on_test": snapshot.on_test and _pack_evaluation(snapshot.on_test),
    }


def _pack_evaluation(evaluation: Evaluation) -> list[Any]:
    return [evaluation.loss, evaluation.accuracy, evaluation.predictions.tobytes()]


def _unpack_moment(packed: Mapping[str, Any]) -> Moment:
    snapshot = Snapshot(
        step=int(packed["step"]),
        learning_rate=float(packed["learning_rate"]),
        batch=np.frombuffer(packed["batch"], "<i4"),
        on_batch=_unpack_evaluation(packed["on_batch"]),
        quantiles={name: np.frombuffer(s, "<f4") for name, s in packed["quantiles"].items()},
        on_test=packed["on_test"] and _unpack_evaluation(packed["on_test"]),
    )
    return Moment(snapshot, float(packed["seconds"]))


def _unpack_evaluation(packed: list[Any]) -> Evaluation:
    loss, accuracy, predictions = packed
    return Evaluation(float(loss), float(accuracy), np.frombuffer(predictions, "u1"))


def _what(magic: bytes) -> str:
    if magic.startswith(MAGIC[:18]):
        return "one of another version of mnistexp"
    return "another kind of file" if magic else "an empty file"
