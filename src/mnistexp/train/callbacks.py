"""What happens between two segments of the training: measuring, evaluating, stopping.

Keras calls these after each segment as after a batch. The logs of a segment are its last `step`
and its mean `loss`, `accuracy` and `images_per_second`. Imports Keras, so it is imported where it
is used.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras

from mnistexp.train.config import TrainConfig
from mnistexp.train.divergence import check_finite
from mnistexp.train.history import History
from mnistexp.train.snapshot import Evaluation

MONITOR_MODES = {"val_loss": "min", "val_accuracy": "max"}


class LogTrainingMetrics(keras.callbacks.Callback):
    """Records the training metrics and the learning rate of the segment's last step."""

    def __init__(self, history: History, learning_rate: Callable[[int], float]) -> None:
        super().__init__()
        self._history = history
        self._learning_rate = learning_rate

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record one segment."""
        assert logs is not None
        step = int(logs["step"])
        metrics = {
            "train_loss": logs["loss"],
            "train_accuracy": logs["accuracy"],
            "learning_rate": self._learning_rate(step - 1),
            "images_per_second": logs["images_per_second"],
        }
        self._history.record(metrics, step)


class EvaluationCallback(keras.callbacks.Callback):
    """Records loss and accuracy of the watched splits, and tells the stoppers.

    One evaluation is for Keras' EarlyStopping what an epoch is elsewhere.
    """

    def __init__(
        self,
        history: History,
        evaluations: Mapping[str, Callable[[int], Evaluation]],
        steps: Collection[int],
        stoppers: Collection[keras.callbacks.EarlyStopping],
    ) -> None:
        """Args: evaluations: by prefix, `val` or `test`, what a split is worth after a step."""
        super().__init__()
        self._history = history
        self._evaluations = evaluations
        self._steps = frozenset(steps)
        self._stoppers = keras.callbacks.CallbackList(list(stoppers), add_history=False)

    def set_model(self, model: keras.Model) -> None:
        """Keras tells the model that is trained."""
        super().set_model(model)
        self._stoppers.set_model(model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Nothing was best so far."""
        self._stoppers.on_train_begin()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Evaluate, if this segment ends with a step at which it is time."""
        assert logs is not None
        step = int(logs["step"])
        if step not in self._steps:
            return
        metrics = {}
        for prefix, evaluate in self._evaluations.items():
            evaluation = evaluate(step)
            metrics[f"{prefix}_loss"] = evaluation.loss
            metrics[f"{prefix}_accuracy"] = evaluation.accuracy
        self._history.record(metrics, step)
        for prefix in self._evaluations:
            check_finite(metrics[f"{prefix}_loss"], step, f"{prefix}_loss")
        self._stoppers.on_epoch_end(step, metrics)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """The stoppers put the best weights back."""
        self._stoppers.on_train_end()


def build_stoppers(config: TrainConfig) -> list[keras.callbacks.EarlyStopping]:
    """Keras' own early stopping: for stopping, for the best weights, or none."""
    stoppers = []
    if config.early_stopping is not None:
        stoppers.append(
            keras.callbacks.EarlyStopping(
                monitor=config.early_stopping.monitor,
                mode=MONITOR_MODES[config.early_stopping.monitor],
                patience=config.early_stopping.patience,
                min_delta=config.early_stopping.min_delta,
            )
        )
    if config.restore_best_weights is not None:
        stoppers.append(
            keras.callbacks.EarlyStopping(
                monitor=config.restore_best_weights,
                mode=MONITOR_MODES[config.restore_best_weights],
                patience=2**31,  # Never stops, only remembers.
                restore_best_weights=True,
            )
        )
    return stoppers
