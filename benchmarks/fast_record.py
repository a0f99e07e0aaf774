"""Compare `record=fast` with one epoch of conv_big in plain Keras: `python benchmarks/fast_record.py`.

Whole trainings of `record=fast` alternate with epochs of Keras' `fit` in one process. What compiles is
not counted. Computing time is that of all threads; other work on the machine changes it less.
"""

import statistics
import time
from collections.abc import Callable

import keras
import numpy as np

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.learner import build_learner
from mnistexp.model import NetworkConfig, build_model

NUM_ROUNDS = 3


def main() -> None:
    config, _ = compose_config(["record=fast", "tracking=none"])
    data = load_data(config.data)

    def train_fast() -> None:
        build_learner(config, data).fit(data, lambda metrics, step: None)

    train_fast()  # Compiles the loop, and sets up the device.
    train_epoch = plain_keras_epoch(data)
    train_epoch()
    contenders = {"record=fast": train_fast, "conv_big, plain Keras": train_epoch}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(NUM_ROUNDS):
        for name, train in contenders.items():
            measured[name].append(time_call(train))
    print("| training | seconds | seconds of computing time |\n|---|---:|---:|")
    for name, rounds in measured.items():
        wall, computing = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"| {name} | {wall:.1f} | {computing:.1f} |")


def plain_keras_epoch(data: Data) -> Callable[[], object]:
    """Return a function that trains conv_big for an epoch with Keras' `fit`, as a user would."""
    model = compose_config(["model=conv_big"])[0].model
    assert isinstance(model, NetworkConfig)
    network = build_model(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, metrics=["accuracy"])
    images = data.train.images.astype(np.float32) / 255

    def train_epoch() -> object:
        return network.fit(images, data.train.labels, batch_size=100, verbose=0)

    return train_epoch


def time_call(function: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call takes, and the seconds of all its threads."""
    wall, computing = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - computing


if __name__ == "__main__":
    main()
