"""Measure the cost of recording and write docs/recording.md: `make benchmark-recording`.

The speed of a machine varies by more than recording costs. Therefore every other block of steps of
one training is recorded, and each recorded block is compared with the block before it. The report
states the median and the quartiles of the ratios, the size of a recording of 10,000 steps, and how
many frames per second a viewer draws. All blocks contain the same evaluations.
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from mnistexp.config.compose import compose_config
from mnistexp.dashboard import Header, RecordingConfig, record_training
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.data import load_data
from mnistexp.learner import build_learner
from mnistexp.train import Monitors

REPORT = Path(__file__).parent.parent / "docs" / "recording.md"
FULL_LENGTH = 10_000
NUM_PICTURES = 60


@dataclass(frozen=True)
class Case:
    """A run. block: steps of a block. pairs: how many pairs of blocks are compared."""

    settings: tuple[str, ...]
    block: int
    pairs: int

    @property
    def name(self) -> str:
        return self.settings[0].partition("=")[2]

    @property
    def steps(self) -> int:
        """All steps. The first pair of blocks is not compared, because it includes compilation."""
        return 2 * self.block * (self.pairs + 1)


LAB = ("optim=adam", "train=lab", "data=mnist_60000")
CASES = [
    Case(("model=five_layers", *LAB), block=500, pairs=100),
    Case(("model=conv_big", *LAB), block=100, pairs=50),
    Case(("lab=1_0_softmax",), block=500, pairs=100),
    Case(("lab=4_2_batchnorm_conv_2018",), block=100, pairs=20),
]


def block_seconds(case: Case, file: Path) -> np.ndarray:
    """Train, and write a recording of every other block to `file`.

    Returns:
        Seconds of the blocks without and with recording, [pairs, 2].
    """
    from mnistexp.train import snapshot_callback

    ends = []

    class AlternatingCallback(snapshot_callback.SnapshotCallback):
        """Records every other block.

        A delayed snapshot at the end of a block is recorded at the start of the next recorded
        block, so each block has the cost of one snapshot per segment.
        """

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            assert logs is not None
            block, step_of_block = divmod(int(logs["step"]) - 1, case.block)
            if block % 2 == 1:
                super().on_train_batch_end(batch, logs)
            if step_of_block == case.block - 1:
                self.wait()  # The time of a block includes its last snapshot.
                ends.append(time.perf_counter())

    config, _ = compose_config([*case.settings, f"train.steps={case.steps}", "tracking=none"])
    data = load_data(config.data)
    data_settings = config.data.model_dump(mode="json")
    header = Header(
        case.name, None, case.steps, config.train.batch_size, data_settings, data.digest
    )
    with (
        patch.object(snapshot_callback, "SnapshotCallback", AlternatingCallback),
        record_training(RecordingConfig(type="record"), file, header, lambda _: None) as handle,
    ):
        build_learner(config, data).fit(data, lambda *_: None, Monitors(handle.recorder))
    return np.diff(ends)[1:].reshape(case.pairs, 2)


def row(case: Case, file: Path) -> str:
    """Measure a case, write its recording to `file`, and return a row of the table."""
    seconds = block_seconds(case, file)
    low, median, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0.25, 0.5, 0.75))
    size = file.stat().st_size / (case.steps / 2) * FULL_LENGTH / 1e6
    return (
        f"| `{' '.join(case.settings)}` | {case.block} | {case.pairs} | "
        f"{np.median(seconds[:, 0]):.2f} | {median:.3f} | {low:.3f} to {high:.3f} | {size:.2f} |"
    )


def pictures_per_second(file: Path) -> float:
    """Return how many of the last frames of a recording are drawn per second."""
    from mnistexp.dashboard.figure import DashboardFigure

    recorded_run = RecordedRun(file)
    figure = DashboardFigure(recorded_run)
    end = recorded_run.last_index + 1
    begin = time.perf_counter()
    for index in range(end - NUM_PICTURES, end):
        figure.draw_frame(index)
        figure.to_png()
    return NUM_PICTURES / (time.perf_counter() - begin)


def main() -> None:
    from mnistexp.device import cpu_device

    chosen = [case for case in CASES if case.name in sys.argv[1:] or len(sys.argv) == 1]
    with tempfile.TemporaryDirectory() as folder:
        rows = "\n".join(row(case, Path(folder) / case.name) for case in chosen)
        speed = pictures_per_second(Path(folder) / chosen[0].name)
    text = f"""# The cost of recording

Written by `make benchmark-recording`; do not edit. In one training, every other block of steps is recorded.
A ratio is the time of a recorded block / the time of the block before it. {cpu_device().name}.

| run | steps per block | pairs of blocks | not recorded (s, median) | ratio (median) | ratio (quartiles) | 10,000 steps (MB) |
|---|---:|---:|---:|---:|---:|---:|
{rows}

A viewer draws {speed:.1f} frames per second of the first run on an idle machine.
"""
    print(text)
    if chosen == CASES:
        REPORT.write_text(text)


if __name__ == "__main__":
    main()
