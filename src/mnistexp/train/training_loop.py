"""The one training loop: Keras' `fit` and callbacks around compiled segments of steps."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.errors import ConfigError
from mnistexp.signals import PendingInterrupt, deferred_interrupts
from mnistexp.train.batch_order import BatchOrder, Split
from mnistexp.train.checkpoint import NO_CHECKPOINTS, Checkpoint, Checkpoints
from mnistexp.train.config import TrainConfig
from mnistexp.train.history import History, LogMetrics
from mnistexp.train.snapshot import NO_MONITORS, Monitors

if TYPE_CHECKING:
    import keras

    from mnistexp.train.compiled_trainer import Augment, CompiledTrainer

METRIC_PREFIXES = {"validation": "val", "test": "test"}


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    num_steps: steps that were run. seconds: including compilation, evaluations, and the time up to
    the checkpoint with which the training began, `earlier_seconds`.
    images_per_second: of the training steps alone.
    """

    history: History
    num_steps: int
    seconds: float
    images_per_second: float
    earlier_seconds: float = 0.0


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
    cpu_layers: bool = False,
    parts_per_batch: int = 1,
    augment: "Augment | None" = None,
    momentum_warmup: Collection[str] = (),
    deterministic: bool = False,
    log_metrics: LogMetrics | None = None,
    monitors: Monitors = NO_MONITORS,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> TrainingResult:
    """Train the network in place.

    Ctrl-C and SIGTERM end it after the current call of steps, with a checkpoint.

    Args:
        network: float images `[n, 28, 28, 1]` to logits `[n, 10]`.
        optimizer: updates the weights.
        schedule: the learning rate with which the optimizer was built.
        config: length, batches, loss and intervals.
        splits: `train`, `validation` and `test`; the last two are only needed if evaluated.
        scale: divisor of the pixels.
        seed: of the order of the images, and of their augmentation.
        xla: compile the loop with XLA.
        cpu_layers: train with the layers that are faster on a CPU, with oneDNN or with XLA.
        parts_per_batch: parts of each batch that are computed at the same time.
        augment: changes the images of each step at random.
        momentum_warmup: names of the batch-normalization layers whose momentum warms up.
        deterministic: whether TensorFlow's determinism is on, which needs a separate compilation.
        log_metrics: receives every metric as soon as it is measured.
        monitors: outputs that are written during the training.
        checkpoints: where checkpoints are written, and the one from which the training continues,
            with the same result as without an interruption. `log_metrics` receives the earlier
            metrics again. The length may be another one.

    Raises:
        ConfigError: the checkpoint does not belong to a training with these settings.
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
        label_smoothing=config.label_smoothing,
        augment=augment,
        xla=xla,
        cpu_layers=cpu_layers,
        parts_per_batch=parts_per_batch,
        momentum_warmup=momentum_warmup,
        deterministic=deterministic,
    )
    learning_rate = _learning_rate_of_step(schedule)
    segments = config.segments(num_images)
    start = checkpoints.start
    if start is not None:
        segments = _segments_from(start, segments)
        history.restore(start.curves)
    with ExitStack() as stack:
        interrupt = stack.enter_context(deferred_interrupts())
        callbacks = _build_callbacks(
            model, history, config, splits, learning_rate, monitors, checkpoints, interrupt
        )
        for callback in callbacks:
            if hasattr(callback, "close"):  # Keras has no hook that also runs after a failure.
                stack.callback(callback.close)
        longest = max((last - first for first, last in segments), default=0)
        stack.enter_context(model.training(network, optimizer, train, order, seed, start, longest))
        _fit_segments(model, segments, callbacks)
    earlier_seconds = start.seconds if start is not None else 0.0
    seconds = time.perf_counter() - begin
    return _summarize(history, config.batch_size, seconds, earlier_seconds)


def _segments_from(start: Checkpoint, segments: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the segments that are not complete in a checkpoint."""
    left = [segment for segment in segments if segment[0] >= start.segment_start]
    if not left or left[0][0] != start.segment_start or left[0][1] < start.step:
        raise ConfigError(
            f"train: expected a training of at least {start.step:,} steps, with the intervals of "
            f"the checkpoint. Received: one of {segments[-1][1]:,} steps"
        )
    return left


def _build_callbacks(
    model: "CompiledTrainer",
    history: History,
    config: TrainConfig,
    splits: Mapping[str, Split],
    learning_rate: Callable[[int], float],
    monitors: Monitors,
    checkpoints: Checkpoints,
    interrupt: PendingInterrupt,
) -> "list[keras.callbacks.Callback]":
    """Return what happens between the segments: metrics, evaluations, progress and monitors."""
    # These modules import TensorFlow.
    from mnistexp.train.callbacks import EvaluationCallback, LogTrainingMetrics, build_stoppers
    from mnistexp.train.checkpoint_callback import CheckpointCallback
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
    start = checkpoints.start
    evaluation = EvaluationCallback(
        history,
        evaluations,
        steps,
        build_stoppers(config),
        config.target,
        find_origin,
        start.stoppers if start is not None else None,
    )
    callbacks = [
        LogTrainingMetrics(history, learning_rate),
        evaluation,
        build_progress(history, length),
    ]
    if monitors.tensorboard_folder is not None:
        folder = monitors.tensorboard_folder
        first_step = start.segment_start if start is not None else None
        callbacks.append(TensorBoardCallback(folder, history, length.steps_per_epoch, first_step))
    finish_snapshots: Callable[[], None] | None = None
    if monitors.recorder is not None:
        test = evaluations.get("test") or CompiledEvaluation(model, splits["test"])
        snapshots = SnapshotCallback(
            monitors.recorder, train, test, steps, learning_rate, is_continued=start is not None
        )
        callbacks.append(snapshots)
        finish_snapshots = snapshots.finish
    writer = CheckpointCallback(
        checkpoints,
        config.checkpoint_every,
        length,
        interrupt,
        history,
        evaluation,
        finish_snapshots,
    )
    return [*callbacks, writer]


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


def _summarize(
    history: History, batch_size: int, seconds: float, earlier_seconds: float
) -> TrainingResult:
    speeds = history["images_per_second"]
    steps = [0, *speeds]
    step_seconds = sum(
        (stop - start) * batch_size / speed
        for start, stop, speed in zip(steps[:-1], steps[1:], speeds.values(), strict=True)
    )
    images_per_second = steps[-1] * batch_size / step_seconds
    return TrainingResult(
        history, steps[-1], earlier_seconds + seconds, images_per_second, earlier_seconds
    )
