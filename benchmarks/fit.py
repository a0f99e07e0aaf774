"""Compare the training loop with plain Keras `fit` and write docs/speed.md: `make benchmark`.

Plain Keras is what a user would write first: images as floats in memory, batches of 100, `fit(x, y)`,
default settings and environment. Both train the same network with the same optimizer for the same
number of epochs. Each measurement runs in a new process, so that the settings of one do not affect
the other, and the two alternate, so that changes of the machine's speed affect both. The report
states the seconds per epoch, without the first epoch, and those of the whole training.
"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPORT = Path(__file__).parent.parent / "docs" / "speed.md"
ROUNDS = 5
NUM_IMAGES = 55_000
STEPS_PER_EPOCH = 550


@dataclass(frozen=True)
class Case:
    """A network to train: options of the groups model and optim, and the number of epochs."""

    model: str
    optim: str
    epochs: int

    @property
    def overrides(self) -> list[str]:
        """The command-line settings."""
        return [f"model={self.model}", f"optim={self.optim}"]


CASES = [Case("softmax", "sgd", 10), Case("five_layers", "adam", 6), Case("conv_big", "adam", 3)]


def train_with_keras(case: Case) -> dict[str, float]:
    """Train with plain Keras. Return seconds `epoch` and `whole`, and test `accuracy`."""
    import time

    import keras

    from mnistexp.config.compose import compose_config
    from mnistexp.data import load_data
    from mnistexp.model import NetworkConfig, build_model
    from mnistexp.optim import build_optimizer, build_schedule

    config, _ = compose_config(case.overrides)
    data = load_data(config.data)
    keras.utils.set_random_seed(0)
    assert isinstance(config.model, NetworkConfig)
    network = build_model(config.model)
    schedule = build_schedule(
        config.optim.decay,
        config.optim.learning_rate,
        num_steps=STEPS_PER_EPOCH * case.epochs,
        steps_per_epoch=STEPS_PER_EPOCH,
    )
    network.compile(
        build_optimizer(config.optim, schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    starts: list[float] = []
    record_start = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: starts.append(time.perf_counter())
    )
    images, labels = data.train.images.astype("float32") / 255, data.train.labels
    begin = time.perf_counter()
    network.fit(
        images,
        labels,
        batch_size=NUM_IMAGES // STEPS_PER_EPOCH,
        epochs=case.epochs,
        verbose=0,
        callbacks=[record_start],
    )
    end = time.perf_counter()
    _, accuracy = network.evaluate(data.test.images / 255.0, data.test.labels, verbose=0)
    return {
        "epoch": (end - starts[1]) / (case.epochs - 1),
        "whole": end - begin,
        "accuracy": accuracy,
    }


def train_with_mnistexp(case: Case) -> dict[str, float]:
    """Train with mnistexp. Return seconds `epoch` and `whole`, and test `accuracy`."""
    from mnistexp.config.compose import compose_config
    from mnistexp.experiment import run_experiment

    settings = [f"train.epochs={case.epochs}", "train.evaluate_on=[]", "tracking=none"]
    config, _ = compose_config([*case.overrides, *settings])
    result = run_experiment(config)
    speeds = result.history["images_per_second"]
    after_first_epoch = [speed for step, speed in speeds.items() if step > STEPS_PER_EPOCH]
    return {
        "epoch": NUM_IMAGES / statistics.harmonic_mean(after_first_epoch),
        "whole": result.metrics["train_seconds"],
        "accuracy": result.metrics["test_accuracy"],
    }


def measure(program: str, case: Case, **environment: str) -> dict[str, float]:
    """Train in a new process with `keras` or `mnistexp`. Return what the training function does."""
    process = subprocess.run(
        [sys.executable, __file__, program, case.model],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result


def measure_row(case: Case) -> str:
    """Measure a case. Return its row of the table: medians over the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        rounds.append(
            (
                measure("keras", case),
                measure("mnistexp", case),
                measure("keras", case, TF_ENABLE_ONEDNN_OPTS="0"),
            )
        )
        print(case.model, *(f"{m['epoch']:.2f} s" for m in rounds[-1]), flush=True)
    cells = [f"`{case.model}`, `{case.optim}`"]
    for key in ("epoch", "whole"):
        cells += [f"{statistics.median(r[i][key] for r in rounds):.2f}" for i in (0, 1)]
        cells += [f"{statistics.median(r[0][key] / r[1][key] for r in rounds):.1f}"]
    cells += [f"{statistics.median(r[2]['epoch'] / r[1]['epoch'] for r in rounds):.1f}"]
    cells += [f"{statistics.mean(r[i]['accuracy'] for r in rounds):.4f}" for i in (0, 1)]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    from mnistexp.device import cpu_device
    from mnistexp.experiment.environment import describe_environment

    rows = "\n".join(measure_row(case) for case in CASES)
    packages = describe_environment()["packages"]
    assert isinstance(packages, dict)
    REPORT.write_text(
        f"""# Speed compared with plain Keras `fit`

Written by `make benchmark`; do not edit. Medians of {ROUNDS} rounds, in which both alternate; a ratio is
plain Keras / mnistexp within a round. TensorFlow {packages["tensorflow"]}, Keras {packages["keras"]}, {cpu_device().name}.

| network | epoch: plain Keras (s) | mnistexp (s) | ratio | training: plain Keras (s) | mnistexp (s) | ratio | ratio of epochs, plain Keras without oneDNN | test accuracy: plain Keras | mnistexp |
|---|---|---|---|---|---|---|---|---|---|
{rows}

An epoch is 55,000 images in batches of 100, without the first epoch. "training" is the whole training,
including compilation. TensorFlow enables oneDNN by default only on processors with the AVX-512
instructions for neural networks. On other processors, the column "plain Keras without oneDNN" applies.
"""
    )
    print(REPORT.read_text())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        program, model = sys.argv[1:]
        train = {"keras": train_with_keras, "mnistexp": train_with_mnistexp}[program]
        case = next(case for case in CASES if case.model == model)
        print(json.dumps(train(case)))
    else:
        main()
