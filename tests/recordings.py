"""Recordings with random content, for tests that need no training."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from mnistexp.dashboard.recording import MAGIC, Frame, Header, RecordingWriter
from mnistexp.train import Evaluation, Snapshot

HEADER = Header("random", None, 1000, 100, {"name": "mnist"}, "digest of other files")


def random_frame(step: int, num_test: int = 0) -> Frame:
    """Return a frame at `step` seconds, with an evaluation of `num_test` images, if any."""
    random = np.random.default_rng(step)
    on_test = Evaluation(0.5, 0.5, random.integers(0, 10, num_test, "u1")) if num_test else None
    snapshot = Snapshot(
        step=step,
        learning_rate=0.1,
        batch=random.integers(0, 60_000, 100, "i4"),
        on_batch=Evaluation(1.0, 0.5, random.integers(0, 10, 100, "u1")),
        quantiles={name: random.normal(size=8).astype("f4") for name in ("weights", "biases")},
        on_test=on_test,
    )
    return Frame(snapshot, seconds=float(step))


def write_recording(file: Path, num_frames: int) -> None:
    """Write a recording of a finished training with one frame per second."""
    writer = RecordingWriter(file, HEADER)
    for step in range(num_frames):
        writer.write(random_frame(step))
    writer.close("finished")


def write_records(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a recording with any records, which the format's writer would not write."""
    packed = (msgpack.packb(record, default=_pack_array) for record in records)
    file.write_bytes(MAGIC + b"".join(msgpack.packb(zlib.compress(content)) for content in packed))


def _pack_array(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "values": array.tobytes()}
