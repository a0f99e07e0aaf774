"""Measure the cost of checkpoints: `python benchmarks/checkpoint_cost.py`.

Trainings with and without checkpoints alternate. The difference of their durations, divided by the
number of checkpoints, is the cost of one; divided by 60 seconds, it is that of the default
interval. It prints one row for each network, for docs/runs.md.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.learner import build_learner
from mnistexp.train import CheckpointFolder, Checkpoints

NUM_ROUNDS = 7
NUM_CHECKPOINTS = 20
DEFAULT_INTERVAL_SECONDS = 60
CASES = (("softmax", "sgd", 2_000), ("five_layers", "adam", 2_000), ("conv_big", "adam", 400))


def main() -> None:
    print("| network | seconds of a training | seconds of a checkpoint | cost at 60 seconds |")
    print("|---|---:|---:|---:|")
    for model, optim, num_steps in CASES:
        settings = [f"model={model}", f"optim={optim}", f"train.steps={num_steps}"]
        settings += [f"train.evaluate_every={num_steps}"]
        interval = f"train.checkpoint_every={num_steps // NUM_CHECKPOINTS}"
        train_seconds([*settings, interval])  # Compiles the loop.
        without, costs = [], []
        for _ in range(NUM_ROUNDS):
            seconds, _ = train_seconds([*settings, "train.checkpoint_every=null"])
            with_checkpoints, count = train_seconds([*settings, interval])
            without.append(seconds)
            costs.append((with_checkpoints - seconds) / count)
        cost = statistics.median(costs)
        share = cost / DEFAULT_INTERVAL_SECONDS
        print(
            f"| `{model}`, `{optim}` | {statistics.median(without):.2f} | {cost:.4f} | "
            f"{share:.3%} |",
            flush=True,
        )


def train_seconds(settings: Sequence[str]) -> tuple[float, int]:
    """Return the seconds of a training, and the number of checkpoints that it wrote."""
    config, _ = compose_config([*settings, "tracking=none"])
    data = load_data(config.data)
    learner = build_learner(config, data)
    written = []
    write = CheckpointFolder.write

    def count_and_write(folder: CheckpointFolder, checkpoint: object) -> None:
        written.append(checkpoint)
        write(folder, checkpoint)  # type: ignore[arg-type]

    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as path,
        patch.object(CheckpointFolder, "write", count_and_write),
    ):
        checkpoints = Checkpoints(CheckpointFolder(Path(path)))
        begin = time.perf_counter()
        learner.fit(data, lambda metrics, step: None, checkpoints=checkpoints)
        return time.perf_counter() - begin, len(written)


if __name__ == "__main__":
    main()
