"""The one training loop: Keras' `fit` and callbacks around compiled segments of steps."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.train.batch_order import BatchOrder, Split
from mnistexp.train.config import TrainConfig
from mnistexp.train.history import History, LogMetrics
from mnistexp.train.snapshot import NO_MONITORS, Monitors

if TYPE_CHECKING:
    import keras

    from mnistexp.train.compiled_trainer import CompiledTrainer

METRIC_PREFIXES = {"validation": "val", "test": "test"}


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    num_steps: steps that were run. seconds: including compilation and evaluations.
    images_per_second: of the training steps alone.
    """

    history: History
    num_steps: int
    seconds: float
    images_per_second: float


def fit(
    network: "keras.Model",
    optimizer: "keras.optimizers.Optimizer",
    schedule: "float | keras.optimizers.schedules.LearningRateSchedule",
    config: TrainConfig,
    splits: Mapping[str, Split],
    *,
    scale: float,
    seed: int,
    xla: bool,
    momentum_warmup: Collection[str] = (),
    deterministic: bool = False,
    log_metrics: LogMetrics | None = None,
    monitors: Monitors = NO_MONITORS,
) -> TrainingResult:
    """Train the network in place.

    Args:
        network: float images `[n, 28, 28, 1]` to logits `[n, 10]`.
        optimizer: updates the weights.
        schedule: the learning rate with which the optimizer was built.
        config: length, batches, loss and intervals.
        splits: `train`, `validation` and `test`; the last two are only needed if evaluated.
        scale: divisor of the pixels.
        seed: of the order of the images.
        xla: compile the loop with XLA.
        momentum_warmup: names of the batch-normalization layers whose momentum warms up.
        deterministic: whether TensorFlow's determinism is on, which needs a separate compilation.
        log_metrics: receives every metric as soon as it is measured.
        monitors: outputs that are written during the training.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    from mnistexp.train.compiled_trainer import find_or_build_trainer  # Imports TensorFlow.

    begin = time.perf_counter()
    history = History(log_metrics)
    train = splits["train"]
    num_images = len(train.labels)
    order = BatchOrder(num_images, config.batch_size, config.shuffle, seed)
    model = find_or_build_trainer(
        network,
        optimizer,
        schedule,
        scale=scale,
        loss=config.loss,
        xla=xla,
        momentum_warmup=momentum_warmup,
        deterministic=deterministic,
    )
    learning_rate = _learning_rate_of_step(schedule)
    callbacks = _build_callbacks(model, history, config, splits, learning_rate, monitors)
    with ExitStack() as stack:
        for callback in callbacks:
            if hasattr(callback, "close"):  # Keras has no hook that also runs after a failure.
                stack.callback(callback.close)
        stack.enter_context(model.training(network, optimizer, train, order))
        _fit_segments(model, config.segments(num_images), callbacks)
    return _summarize(history, config.batch_size, time.perf_counter() - begin)


def _build_callbacks(
    model: "CompiledTrainer",
    history: History,
    config: TrainConfig,
    splits: Mapping[str, Split],
    learning_rate: Callable[[int], float],
    monitors: Monitors,
) -> "list[keras.callbacks.Callback]":
    """Return what happens between the segments: metrics, evaluations, progress and monitors."""
    # These modules import TensorFlow.
    from mnistexp.train.callbacks import EvaluationCallback, LogTrainingMetrics, build_stoppers
    from mnistexp.train.divergence import find_origin_of_evaluation
    from mnistexp.train.progress import build_progress
    from mnistexp.train.snapshot_callback import CompiledEvaluation, SnapshotCallback
    from mnistexp.train.tensorboard import TensorBoardCallback

    train = splits["train"]
    num_images = len(train.labels)
    steps = config.evaluation_steps(num_images)
    length = config.length(num_images)
    evaluations = {
        METRIC_PREFIXES[name]: CompiledEvaluation(model, splits[name])
        for name in config.evaluated_splits
    }
    find_origin = partial(find_origin_of_evaluation, model)
    callbacks = [
        LogTrainingMetrics(history, learning_rate),
        EvaluationCallback(history, evaluations, steps, build_stoppers(config), find_origin),
        build_progress(history, length),
    ]
    if monitors.tensorboard_folder is not None:
        folder = monitors.tensorboard_folder
        callbacks.append(TensorBoardCallback(folder, history, length.steps_per_epoch))
    if monitors.recorder is not None:
        test = evaluations.get("test") or CompiledEvaluation(model, splits["test"])
        callbacks.append(SnapshotCallback(monitors.recorder, train, test, steps, learning_rate))
    return callbacks


def _fit_segments(
    model: "keras.Model",
    segments: list[tuple[int, int]],
    callbacks: "list[keras.callbacks.Callback]",
) -> None:
    """Train all segments. For Keras a segment is a batch, and the training is one epoch."""
    import tensorflow as tf

    options = tf.data.Options()
    # Autotuning uses a thread that sleeps longer and longer. `fit` may have to wait for it at the
    # end, for as long again as the training took.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_tensor_slices(np.array(segments, "i8"))
    model.fit(dataset.with_options(options), verbose=0, shuffle=False, callbacks=callbacks)


def _learning_rate_of_step(
    schedule: "float | keras.optimizers.schedules.LearningRateSchedule",
) -> Callable[[int], float]:
    def learning_rate(step: int) -> float:
        # A constant rate is rounded as the optimizer's variable is.
        return float(schedule(step)) if callable(schedule) else float(np.float32(schedule))

    return learning_rate


def _summarize(history: History, batch_size: int, seconds: float) -> TrainingResult:
    speeds = history["images_per_second"]
    steps = [0, *speeds]
    step_seconds = sum(
        (stop - start) * batch_size / speed
        for start, stop, speed in zip(steps[:-1], steps[1:], speeds.values(), strict=True)
    )
    return TrainingResult(history, steps[-1], seconds, steps[-1] * batch_size / step_seconds)
