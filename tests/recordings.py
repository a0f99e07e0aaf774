"""Recordings with random content, for tests that need no training."""

from pathlib import Path

import numpy as np

from mnistexp.dashboard.recording import Frame, Header, RecordingWriter
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
