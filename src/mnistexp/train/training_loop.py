"""The one training loop: Keras' `fit` and callbacks around compiled segments of steps."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.config import TrainConfig
from mnistexp.train.history import History, LogMetrics
from mnistexp.train.snapshot import NO_MONITORS, Monitors
from mnistexp.train.split import Split

if TYPE_CHECKING:
    import keras

PREFIXES = {"validation": "val", "test": "test"}


@dataclass(frozen=True)
class Training:
    """What a training gave.

    num_steps: steps that were done. seconds: with compilation and evaluations.
    images_per_second: of the training steps alone.
    """

    history: History
    num_steps: int
    seconds: float
    images_per_second: float


def fit(
    network: "keras.Model",
    optimizer: "keras.optimizers.Optimizer",
    config: TrainConfig,
    splits: Mapping[str, Split],
    *,
    scale: float,
    seed: int,
    xla: bool,
    log_metrics: LogMetrics | None = None,
    monitors: Monitors = NO_MONITORS,
) -> Training:
    """Train the network in place.

    Args:
        network: float images `[n, 28, 28, 1]` to logits `[n, 10]`.
        optimizer: changes its weights.
        config: length, batches, loss and cadence.
        splits: `train`, `validation` and `test`; the last two only if they are looked at.
        scale: pixels are divided by it.
        seed: of the order of the images.
        xla: compile the loop with XLA.
        log_metrics: is told every metric as soon as it is measured.
        monitors: outputs that are written during the training.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    # They import TensorFlow.
    from mnistexp.train.callbacks import EvaluationCallback, LogTrainingMetrics, build_stoppers
    from mnistexp.train.compiled_trainer import compiled_model
    from mnistexp.train.progress import Length, build_progress
    from mnistexp.train.snapshot_callback import CompiledEvaluation, SnapshotCallback
    from mnistexp.train.tensorboard import TensorBoardCallback

    begin = time.perf_counter()
    history = History(log_metrics)
    train = splits["train"]
    num_images = len(train.labels)
    order = BatchOrder(num_images, config.batch_size, config.shuffle, seed)
    model = compiled_model(network, optimizer, scale=scale, loss=config.loss, xla=xla)
    evaluations = {
        PREFIXES[name]: CompiledEvaluation(model, splits[name]) for name in config.watched_splits
    }
    learning_rate = _learning_rate_of(optimizer)
    steps = config.evaluation_steps(num_images)
    length = Length(config.num_steps(num_images), num_images / config.batch_size)
    progress = build_progress(history, length)
    callbacks = [
        LogTrainingMetrics(history, learning_rate),
        EvaluationCallback(history, evaluations, steps, build_stoppers(config)),
        progress,
    ]
    onlookers: list[TensorBoardCallback | SnapshotCallback] = []
    if monitors.tensorboard_folder is not None:
        onlookers.append(
            TensorBoardCallback(monitors.tensorboard_folder, history, length.steps_per_epoch)
        )
    if monitors.recorder is not None:
        test = evaluations.get("test") or CompiledEvaluation(model, splits["test"])
        onlookers.append(SnapshotCallback(monitors.recorder, train, test, steps, learning_rate))
    callbacks += onlookers
    closing = ExitStack()
    for callback in (progress, *onlookers):
        closing.callback(callback.close)
    with closing, model.training(network, optimizer, train, order):
        _fit_segments(model, config.segments(num_images), callbacks)
    return _summary(history, config.batch_size, time.perf_counter() - begin)


def _fit_segments(
    model: "keras.Model",
    segments: list[tuple[int, int]],
    callbacks: "list[keras.callbacks.Callback]",
) -> None:
    """To Keras a segment is a batch, and the whole training one epoch."""
    import tensorflow as tf

    options = tf.data.Options()
    # It tunes in a thread that sleeps ever longer, and at its end `fit` may have to wait for it, as
    # long again as the training took.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_tensor_slices(np.array(segments, "i8"))
    model.fit(dataset.with_options(options), verbose=0, shuffle=False, callbacks=callbacks)


def _learning_rate_of(optimizer: "keras.optimizers.Optimizer") -> Callable[[int], float]:
    from keras.optimizers.schedules import LearningRateSchedule

    # The public property gives the rate of the next step only.
    schedule = optimizer._learning_rate
    if isinstance(schedule, LearningRateSchedule):
        return lambda step: float(schedule(step))
    constant = float(optimizer.learning_rate)
    return lambda _: constant


def _summary(history: History, batch_size: int, seconds: float) -> Training:
    speeds = history["images_per_second"]
    steps = [0, *speeds]
    spent = sum(
        (stop - start) * batch_size / speed
        for start, stop, speed in zip(steps[:-1], steps[1:], speeds.values(), strict=True)
    )
    return Training(history, steps[-1], seconds, steps[-1] * batch_size / spent)
