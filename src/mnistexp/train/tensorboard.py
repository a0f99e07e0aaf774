"""Event files for TensorBoard: every metric, and histograms of the weights after each epoch.

Imports Keras, so import this module only where a network is trained.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mnistexp.train.history import History


class TensorBoardCallback(keras.callbacks.Callback):
    """Writes the metrics of each segment, and the weights at the start and after each epoch."""

    def __init__(
        self, folder: Path, history: History, steps_per_epoch: float, first_step: int | None = None
    ) -> None:
        """Create the callback.

        Args:
            history: must already contain the metrics of a segment when this callback runs.
            first_step: where a continued training begins; the start is not written again.
        """
        super().__init__()
        self._history = history
        self._steps_per_epoch = steps_per_epoch
        self._is_continued = first_step is not None
        self._epochs_written = int((first_step or 0) / steps_per_epoch)
        self._writer = tf.summary.create_file_writer(str(folder))

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Write the initial weights, and the metrics of an evaluation at the start."""
        if not self._is_continued:
            self._write_metrics(0)
            self._write_weights(0)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the metrics of a segment, and the weights if an epoch is complete."""
        assert logs is not None
        step = int(logs["step"])
        self._write_metrics(step)
        epochs = int(step / self._steps_per_epoch)
        if epochs > self._epochs_written:
            self._epochs_written = epochs
            self._write_weights(step)

    def close(self) -> None:
        """Write buffered events; also after a failure."""
        self._writer.close()

    def _write_metrics(self, step: int) -> None:
        with self._writer.as_default():
            for name in self._history.names:
                if step in self._history[name]:
                    tf.summary.scalar(name, self._history[name][step], step)

    def _write_weights(self, step: int) -> None:
        with self._writer.as_default():
            for weight in self.model.network.weights:
                tf.summary.histogram(weight.path, weight.value, step)
