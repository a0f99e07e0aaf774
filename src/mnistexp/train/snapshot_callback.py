"""Evaluations of a split during a training, and the snapshots for a recorder.

Imports Keras, so import this module only where a network is trained.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.train.batch_order import Split
from mnistexp.train.compiled_trainer import CompiledTrainer
from mnistexp.train.layer_statistics import is_same_in_training, resolve_quantile_source
from mnistexp.train.snapshot import (
    MAX_BATCH_IMAGES,
    Evaluation,
    Snapshot,
    SnapshotRecorder,
    quantile_edges,
)


class CompiledEvaluation:
    """Evaluates the model on a split whose images are on the device, once per step."""

    def __init__(self, model: CompiledTrainer, split: Split) -> None:
        self._images = tf.constant(split.images)
        self._labels = tf.constant(split.labels, tf.int32)
        self._host_labels = split.labels
        self._model = model
        self._latest: tuple[int, Evaluation] | None = None

    def __call__(self, step: int) -> Evaluation:
        """Evaluate the model as if the training ended now, after `step` steps."""
        if self._latest is None or self._latest[0] != step:
            with self._model.final_weights():
                self._latest = (step, self._evaluate())
        return self._latest[1]

    def _evaluate(self) -> Evaluation:
        losses, predictions = self._model.run_evaluation(self._images, self._labels)
        loss = losses.numpy().sum(dtype="f8") / len(self._host_labels)
        predictions = predictions.numpy()
        accuracy = float((predictions == self._host_labels).mean())
        return Evaluation(float(loss), accuracy, predictions)


@dataclass(frozen=True)
class TrainingState:
    """What a snapshot is computed from.

    batch: indices of the next batch. images: of this batch, augmented, with pixels from 0 to 255.
    on_test: evaluation of the test images.
    """

    step: int
    weights: list[Any]
    batch: np.ndarray
    images: np.ndarray
    on_test: Evaluation | None


class SnapshotCallback(keras.callbacks.Callback):
    """Records a snapshot at the start, and at every step that is logged or evaluated.

    The snapshots are computed in a second thread, while the training continues.

    Where possible the loss and the predictions for the next batch are not computed a second time,
    but taken from the training, whose next step computes them. Then a snapshot is recorded one
    segment later.
    """

    def __init__(
        self,
        recorder: SnapshotRecorder,
        train: Split,
        test: CompiledEvaluation,
        steps: Collection[int],
        learning_rate: Callable[[int], float],
        *,
        is_continued: bool = False,
    ) -> None:
        """Create the callback.

        Args:
            recorder: receives the snapshots.
            train: the training images.
            test: evaluates the test images.
            steps: after which the test images are evaluated, besides the start.
            learning_rate: of a step that counts from 0.
            is_continued: whether the start is recorded already.
        """
        super().__init__()
        self._recorder = recorder
        self._train = train
        self._test = test
        self._steps = frozenset(steps)
        self._learning_rate = learning_rate
        self._is_continued = is_continued
        self._executor = ThreadPoolExecutor(1)
        self._running: Future[None] | None = None
        self._delayed: TrainingState | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Record the start."""
        network = self.model.network
        self._statistics = self.model.layer_statistics
        self._source = resolve_quantile_source(network, self._recorder.quantile_source)
        self._uses_next_step = self._source == "parameters" and is_same_in_training(network)
        if not self._is_continued:
            self._capture(0, self._test(0))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record the start of the segment if that was delayed, and capture its end."""
        assert logs is not None
        step = int(logs["step"])
        self._record_delayed(self.model.first_batch)
        self._capture(step, self._test(step) if step in self._steps else None)

    def wait(self) -> None:
        """Wait until the second thread has recorded its snapshot. Raise its error, if any."""
        if self._running is not None:
            self._running.result()

    def finish(self) -> None:
        """Record all snapshots of the training so far, whose latest segment has begun."""
        self._record_delayed(self.model.first_batch)
        self.wait()

    def close(self) -> None:
        """Record the delayed snapshot, and wait until all are recorded; also after a failure."""
        self._record_delayed(None)
        self._executor.shutdown()
        self.wait()

    def _capture(self, step: int, on_test: Evaluation | None) -> None:
        batch = self.model.order.peek()
        images = np.asarray(self.model.augmented(self._train.images[batch], step))
        state = TrainingState(step, self.model.latest_weights, batch, images, on_test)
        if self._uses_next_step:
            self._delayed = state
        else:
            self._start_recording(state, None)

    def _record_delayed(self, first_batch: tuple[float, np.ndarray] | None) -> None:
        state, self._delayed = self._delayed, None
        if state is not None:
            self._start_recording(state, first_batch)

    def _start_recording(
        self, state: TrainingState, first_batch: tuple[float, np.ndarray] | None
    ) -> None:
        """Start to record a snapshot in the second thread.

        Args:
            state: of the training.
            first_batch: mean loss and predictions of the state's batch, if the training has
                computed them.
        """
        self.wait()
        self._running = self._executor.submit(self._record, state, first_batch)

    def _record(self, state: TrainingState, first_batch: tuple[float, np.ndarray] | None) -> None:
        labels = self._train.labels[state.batch]
        if first_batch is not None:
            loss, predictions = first_batch
            values = self._statistics.parameters(state.weights)
        else:
            loss, predictions, values = self._statistics.evaluate(
                state.weights, state.images, labels, self._source
            )
        accuracy = float((predictions == labels).mean())
        recorded_predictions = predictions[:MAX_BATCH_IMAGES].astype("u1")
        snapshot = Snapshot(
            step=state.step,
            learning_rate=self._learning_rate(state.step),
            batch=state.batch[:MAX_BATCH_IMAGES],
            on_batch=Evaluation(loss, accuracy, recorded_predictions),
            quantiles={name: quantile_edges(value) for name, value in values.items()},
            on_test=state.on_test,
            augmented=_shown_pixels(state.images) if self.model.augments else None,
        )
        self._recorder.record(snapshot)


def _shown_pixels(images: np.ndarray) -> np.ndarray:
    """Return the pixels of the recorded images, uint8, in one dimension."""
    pixels: np.ndarray = np.rint(images[:MAX_BATCH_IMAGES]).astype("u1").ravel()
    return pixels
