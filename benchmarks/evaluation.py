"""Measure an evaluation of the test images during a training: `python benchmarks/evaluation.py`.

After each evaluation, the same bytes pass through a plain Keras network, in a compiled function that
returns only logits, in batches of the same size. It prints one row for each network, for
docs/speed_profile.md.
"""

import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

import tensorflow as tf

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.learner import build_learner
from mnistexp.model import NetworkConfig, build_model
from mnistexp.train.compiled_trainer import EVALUATION_BATCH_SIZE
from mnistexp.train.snapshot_callback import CompiledEvaluation

NUM_ROUNDS = 20
NETWORKS = ("softmax", "five_layers", "conv_big", "conv_batchnorm")


def main() -> None:
    print("| network | milliseconds of an evaluation | of a forward pass | ratio |")
    print("|---|---:|---:|---:|")
    for network in NETWORKS:
        ours, bare = measure(network)
        ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
        milliseconds = [f"{1000 * statistics.median(seconds):.1f}" for seconds in (ours, bare)]
        print(f"| `{network}` | {' | '.join(milliseconds)} | {ratio:.2f} |", flush=True)


def measure(network: str) -> tuple[list[float], list[float]]:
    """Return the seconds of the evaluations and of the forward passes, in turn."""
    settings = [f"model={network}", f"train.steps={NUM_ROUNDS + 1}", "train.evaluate_every=1"]
    config, _ = compose_config([*settings, "train.evaluate_on=[test]", "tracking=none"])
    data = load_data(config.data)
    assert isinstance(config.model, NetworkConfig)
    pass_forward = bare_forward_pass(config.model, data)
    evaluate = CompiledEvaluation._evaluate
    ours: list[float] = []
    bare: list[float] = []

    def evaluate_and_compare(evaluation: CompiledEvaluation) -> object:
        begin = time.perf_counter()
        result = evaluate(evaluation)
        middle = time.perf_counter()
        pass_forward()
        ours.append(middle - begin)
        bare.append(time.perf_counter() - middle)
        return result

    with patch.object(CompiledEvaluation, "_evaluate", evaluate_and_compare):
        build_learner(config, data).fit(data, lambda metrics, step: None)
    return ours[1:], bare[1:]  # The first ones include compilation.


def bare_forward_pass(config: NetworkConfig, data: Data) -> Callable[[], object]:
    """Return a function that computes the logits of the test images with plain Keras."""
    network = build_model(config)
    compiled = tf.function(
        lambda images: network(tf.cast(images, tf.float32) * (1 / 255), training=False)
    )
    images = tf.constant(data.test.images)
    batches = tf.split(images, len(images) // EVALUATION_BATCH_SIZE)
    return lambda: [compiled(batch).numpy() for batch in batches]


if __name__ == "__main__":
    main()
