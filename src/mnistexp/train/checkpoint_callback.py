"""Write checkpoints during a training, at an interval and when Ctrl-C or SIGTERM ends it.

Imports Keras, so import this module only where a network is trained.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from mnistexp.signals import PendingInterrupt
from mnistexp.train.callbacks import EvaluationCallback
from mnistexp.train.checkpoint import Checkpoint, Checkpoints, curves_before
from mnistexp.train.compiled_trainer import CompiledTrainer
from mnistexp.train.config import CheckpointInterval, TrainingLength
from mnistexp.train.history import History


class CheckpointCallback(keras.callbacks.Callback):
    """Writes checkpoints. It must be the last of the callbacks.

    After each call of the compiled loop, it checks whether a checkpoint is due. So the interval has
    no influence on the segments, and thus none on the results. An error in writing is printed, and
    the training continues.
    """

    model: CompiledTrainer

    def __init__(
        self,
        checkpoints: Checkpoints,
        interval: CheckpointInterval | None,
        length: TrainingLength,
        interrupt: PendingInterrupt,
        history: History,
        evaluation: EvaluationCallback,
        finish_snapshots: Callable[[], None] | None,
    ) -> None:
        """Create the callback.

        Args:
            checkpoints: where they are written, and where the training continues.
            interval: None writes none.
            length: of the training.
            interrupt: ends the training as soon as a signal has arrived.
            history: contains the metrics of all complete segments.
            evaluation: has the state of the callbacks that stop the training.
            finish_snapshots: waits until all snapshots up to the current segment are recorded;
                None if nothing is recorded.
        """
        super().__init__()
        start = checkpoints.start
        self._folder, self._interval = checkpoints.folder, interval
        self._length, self._interrupt = length, interrupt
        self._history, self._evaluation = history, evaluation
        self._finish_snapshots = finish_snapshots
        self._was_written = start is not None
        self._earlier_seconds = start.seconds if start is not None else 0.0
        self._last_count = self._count(start.step, 0.0) if start is not None else 0
        self._begin = self._last_time = time.monotonic()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin to watch the calls of the compiled loop."""
        self.model.after_chunk = self._write_if_due

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keep the state of the stoppers at the start of a segment."""
        self._stoppers = self._evaluation.stopper_states()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the training if a signal arrived during the evaluation after the last step.

        After other segments, the next call of the compiled loop is soon over.
        """
        is_last = self.model.stop_training or self.model.segment.step == self._length.num_steps
        if is_last and self._interrupt.error is not None:
            self._write()
            raise self._interrupt.error

    def _write_if_due(self) -> None:
        step = self.model.segment.step
        count = self._count(step, time.monotonic() - self._last_time)
        # A run that has finished can be continued with a larger number of steps.
        is_last = step == self._length.num_steps and self._was_written
        if count > self._last_count or is_last or self._interrupt.error is not None:
            if self._finish_snapshots is not None:
                self._finish_snapshots()
            self._write()
            self._last_count = self._count(step, 0.0)
            self._last_time = time.monotonic()
        if self._interrupt.error is not None:
            raise self._interrupt.error

    def _count(self, step: int, seconds: float) -> int:
        """Return how many intervals are over; for seconds, since the last checkpoint."""
        if self._interval is None:
            return 0
        return self._interval.num_passed(step, seconds, self._length.steps_per_epoch)

    def _write(self) -> None:
        if self._folder is None or self._interval is None:
            return
        try:
            self._folder.write(self._capture())
            self._was_written = True
        except OSError as error:
            print(
                f"{self._folder.path}: no checkpoint was written after step "
                f"{self.model.segment.step:,}: {error.strerror}. The training continues",
                flush=True,
            )

    def _capture(self) -> Checkpoint:
        segment = self.model.segment
        return Checkpoint(
            step=segment.step,
            segment_start=segment.start,
            losses=np.concatenate(segment.losses),
            accuracies=np.concatenate(segment.accuracies),
            segment_seconds=segment.seconds,
            seconds=self._earlier_seconds + time.monotonic() - self._begin,
            variables=[np.asarray(variable) for variable in self.model.all_variables],
            position=self.model.order.position,
            curves=dict(curves_before(self._history.curves, segment.start)),
            stoppers=self._stoppers,
        )
