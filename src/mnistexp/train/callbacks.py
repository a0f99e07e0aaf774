"""Keras callbacks between two segments of the training: log, evaluate, stop.

Keras calls `on_train_batch_end` after each segment. The logs of a segment are its last `step`, and
its mean `loss`, `accuracy` and `images_per_second`. Imports Keras, so import this module only where
a network is trained.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras

from mnistexp.train.checkpoint import StopperState
from mnistexp.train.config import Target, TrainConfig
from mnistexp.train.history import History, check_finite
from mnistexp.train.snapshot import Evaluation

MONITOR_MODES = {"val_loss": "min", "val_accuracy": "max"}


class LogTrainingMetrics(keras.callbacks.Callback):
    """Records the mean training metrics of a segment, and the learning rate of its last step."""

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
    """Records loss and accuracy of the evaluated splits, and passes them to the stoppers.

    For Keras' EarlyStopping, one evaluation is one epoch.
    """

    def __init__(
        self,
        history: History,
        evaluations: Mapping[str, Callable[[int], Evaluation]],
        steps: Collection[int],
        stoppers: Collection[keras.callbacks.EarlyStopping],
        target: Target | None = None,
        find_origin: Callable[[], str] | None = None,
        continued: Sequence[StopperState] | None = None,
    ) -> None:
        """Create the callback.

        Args:
            history: receives the metrics.
            evaluations: by metric prefix, `val` or `test`, the evaluation of a split after a step.
            steps: after which to evaluate; 0 is the start.
            stoppers: Keras callbacks that stop the training or restore the best weights.
            target: ends the training when an evaluation reaches it.
            find_origin: as of `check_finite`.
            continued: the states of the stoppers in the checkpoint with which the training begins.
        """
        super().__init__()
        self._history = history
        self._evaluations = evaluations
        self._steps = frozenset(steps)
        self._target = target
        self._find_origin = find_origin
        self._continued = continued
        self._stoppers = keras.callbacks.CallbackList(list(stoppers), add_history=False)

    def set_model(self, model: keras.Model) -> None:
        """Pass the model on to the stoppers."""
        super().set_model(model)
        self._stoppers.set_model(model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Reset the stoppers, and evaluate if 0 is one of `steps`; or set them as they were."""
        self._stoppers.on_train_begin()
        if self._continued is None:
            self._evaluate(0)
        else:
            for stopper, state in zip(self._stoppers.callbacks, self._continued, strict=True):
                stopper.wait, stopper.best = state.wait, state.best
                stopper.best_epoch, stopper.best_weights = state.best_step, state.best_weights

    def stopper_states(self) -> list[StopperState]:
        """Return the states of the stoppers, for a checkpoint."""
        return [
            StopperState(stopper.wait, stopper.best, stopper.best_epoch, stopper.best_weights)
            for stopper in self._stoppers.callbacks
        ]

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Evaluate if the last step of this segment is one of `steps`."""
        assert logs is not None
        self._evaluate(int(logs["step"]))

    def _evaluate(self, step: int) -> None:
        if step not in self._steps:
            return
        metrics = {}
        for prefix, evaluate in self._evaluations.items():
            evaluation = evaluate(step)
            metrics[f"{prefix}_loss"] = evaluation.loss
            metrics[f"{prefix}_accuracy"] = evaluation.accuracy
        self._history.record(metrics, step)
        for prefix in self._evaluations:
            check_finite(metrics[f"{prefix}_loss"], step, f"{prefix}_loss", self._find_origin)
        with self.model.final_weights():  # One of the stoppers may keep them.
            self._stoppers.on_epoch_end(step, metrics)
        if self._target is not None and self._target.is_reached(metrics[self._target.metric]):
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Let the stoppers restore the best weights."""
        self._stoppers.on_train_end()


def build_stoppers(config: TrainConfig) -> list[keras.callbacks.EarlyStopping]:
    """Build Keras' early-stopping callbacks for the settings: none, one or two."""
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
                patience=2**31,  # It must never stop the training, only restore the weights.
                restore_best_weights=True,
            )
        )
    return stoppers
