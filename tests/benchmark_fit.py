"""Our training loop against plain Keras `fit`, in turn, on the same machine: `make benchmark`.

Plain Keras is what a user would write first: the images as floats in memory, batches of 100,
`fit(x, y)`, nothing tuned, the environment untouched. Both train the same network from the same
preset, with the same optimizer, and both are asked for the same number of epochs. Each measurement
is a process of its own, so that the one's settings do not help the other. Reported are the seconds
per epoch once it runs (the first epoch of each left out), and of the whole training.
"""

import json
import os
import statistics
import subprocess
import sys

MODELS = {"softmax": 8, "five_layers": 5, "conv_big": 3}
"""Preset and number of epochs."""
ROUNDS = 3


def plain(model: str, epochs: int) -> dict[str, float]:
    import time

    import keras

    from mnistexp.compose import compose_config
    from mnistexp.data import load_data
    from mnistexp.model import build_model

    config, _ = compose_config([f"model={model}", "optim=adam"])
    data = load_data(config.data)
    keras.utils.set_random_seed(0)
    network = build_model(config.model)
    network.compile(
        keras.optimizers.Adam(0.003),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    stamps = []
    stamp = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: stamps.append(time.perf_counter())
    )
    images = data.train.images.astype("float32") / 255
    begin = time.perf_counter()
    network.fit(
        images, data.train.labels, batch_size=100, epochs=epochs, verbose=0, callbacks=[stamp]
    )
    end = time.perf_counter()
    test = network.evaluate(data.test.images / 255.0, data.test.labels, verbose=0)
    return {
        "epoch": (end - stamps[1]) / (epochs - 1),
        "whole": end - begin,
        "accuracy": test[1],
    }


def ours(model: str, epochs: int) -> dict[str, float]:
    from mnistexp.compose import compose_config
    from mnistexp.experiment import run_experiment

    settings = [f"model={model}", "optim=adam", f"train.epochs={epochs}", "tracking=none"]
    config, _ = compose_config([*settings, "train.evaluate_on=[]"])
    result = run_experiment(config)
    speeds = result.history["images_per_second"]
    later = [speed for step, speed in speeds.items() if step > 550]
    return {
        "epoch": 55_000 / statistics.harmonic_mean(later),
        "whole": result.metrics["train_seconds"],
        "accuracy": result.metrics["test_accuracy"],
    }


def measure(kind: str, model: str) -> dict[str, float]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, kind, model]
    output = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def main() -> None:
    print(f"{'model':12} {'epoch: plain':>12} {'ours':>7} {'ratio':>6}", end="")
    print(f" {'whole: plain':>13} {'ours':>7} {'ratio':>6}   test accuracy")
    for model in MODELS:
        rounds = [(measure("plain", model), measure("ours", model)) for _ in range(ROUNDS)]
        cells = ""
        for key in ("epoch", "whole"):
            slow, fast = (statistics.median(pair[i][key] for pair in rounds) for i in (0, 1))
            ratio = statistics.median(pair[0][key] / pair[1][key] for pair in rounds)
            cells += f" {slow:11.2f}s {fast:6.2f}s {ratio:5.1f}x"
        accuracies = [statistics.mean(pair[i]["accuracy"] for pair in rounds) for i in (0, 1)]
        print(f"{model:12}{cells}   {accuracies[0]:.4f} {accuracies[1]:.4f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        kind, model = sys.argv[1:]
        measured = {"plain": plain, "ours": ours}[kind](model, MODELS[model])
        print(json.dumps(measured))
    else:
        main()
