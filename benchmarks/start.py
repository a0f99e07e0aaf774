"""Measure how long short runs take around their training: `python benchmarks/start.py`.

`mnistexp model=softmax train.epochs=1` alternates with a plain Keras script of the same training,
each in a new process, and with a sweep over 20 seeds of it. The cost of a run of the sweep is what
each further run adds to the first one, without its training. All runs are tracked, with figures and
models, in a store that exists already. It prints one row for each, with medians.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mnistexp.config.compose import compose_config
from mnistexp.data.source import find_source
from mnistexp.tracking import MlflowTracking, RunStore

NUM_ROUNDS = 5
NUM_SWEEPS = 3
NUM_SEEDS = 20
RUN = ["model=softmax", "train.epochs=1"]
MNISTEXP = [sys.executable, "-m", "mnistexp"]
KERAS_SCRIPT = """
import gzip
import sys
from pathlib import Path

import keras
import numpy as np


def load(name, offset):
    content = gzip.decompress((Path(sys.argv[1]) / f"{name}-ubyte.gz").read_bytes())
    return np.frombuffer(content, "u1", offset=offset)


images = {name: load(f"{name}-images-idx3", 16).reshape(-1, 28, 28) / np.float32(255)
          for name in ("train", "t10k")}
labels = {name: load(f"{name}-labels-idx1", 8) for name in images}
keras.utils.set_random_seed(0)
model = keras.Sequential([
    keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax"),
])
model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(images["train"][5000:], labels["train"][5000:], batch_size=100, epochs=1, verbose=0,
          validation_data=(images["train"][:5000], labels["train"][:5000]))
print(model.evaluate(images["t10k"], labels["t10k"], verbose=0))
model.save("model.keras")
"""


def main() -> None:
    data = find_source(compose_config(RUN)[0].data).path
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as path:
        folder = Path(path)
        run_seconds(folder, [*MNISTEXP, *RUN])  # Sets up the store.
        plain, tracked, untracked = [], [], []
        for _ in range(NUM_ROUNDS):
            plain.append(run_seconds(folder, [sys.executable, "-c", KERAS_SCRIPT, str(data)]))
            tracked.append(run_seconds(folder, [*MNISTEXP, *RUN]))
            untracked.append(run_seconds(folder, [*MNISTEXP, *RUN, "tracking=none"]))
        sweeps = [
            run_seconds(
                folder,
                [*MNISTEXP, "-m", *RUN, f"seed=range({NUM_SEEDS})", "sweep.rerun=all"],
            )
            for _ in range(NUM_SWEEPS)
        ]
        training = train_seconds(folder)
    print("| command | seconds |")
    print("|---|---:|")
    print(f"| plain Keras script | {statistics.median(plain):.2f} |")
    print(f"| `mnistexp {' '.join(RUN)}` | {statistics.median(tracked):.2f} |")
    print(f"| the same with `tracking=none` | {statistics.median(untracked):.2f} |")
    sweep = statistics.median(sweeps)
    print(f"| `mnistexp -m` with {NUM_SEEDS} seeds | {sweep:.2f} |")
    cost = (sweep - statistics.median(tracked)) / (NUM_SEEDS - 1) - training
    print(f"| each further run of it, beyond its training of {training:.2f} | {cost:.2f} |")


def run_seconds(folder: Path, command: list[str]) -> float:
    """Return how long a command takes, in seconds."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


def train_seconds(folder: Path) -> float:
    """Return the median of the training times of the jobs, without the first one's compilation."""
    store = RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{folder}/mlflow.db"))
    return statistics.median(
        run.metrics["train_seconds"] for run in store.runs() if run.parent is not None
    )


if __name__ == "__main__":
    main()
