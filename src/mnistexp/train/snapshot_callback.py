"""Looking at a network while it trains: evaluations of a split, and snapshots for an observer.

Imports Keras, so it is imported where it is used.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.train.compiled_trainer import CompiledTrainer
from mnistexp.train.layer_statistics import is_same_in_training, resolve_quantile_source
from mnistexp.train.snapshot import (
    NUM_SHOWN,
    Evaluation,
    Snapshot,
    SnapshotRecorder,
    quantile_edges,
)
from mnistexp.train.split import Split

EVALUATION_BATCH = 1_000


class CompiledEvaluation:
    """What a split, which lies on the device, is worth; computed once for each step."""

    def __init__(self, model: CompiledTrainer, split: Split) -> None:
        self._images = tf.constant(split.images)
        self._truth = split.labels
        self._labels = tf.constant(split.labels, tf.int32)
        self._model = model
        self._latest: tuple[int, Evaluation] | None = None

    def __call__(self, step: int) -> Evaluation:
        """Of the model as it is now, after `step` steps."""
        if self._latest is None or self._latest[0] != step:
            self._latest = (step, self._evaluate())
        return self._latest[1]

    def _evaluate(self) -> Evaluation:
        starts = range(0, len(self._labels), EVALUATION_BATCH)
        results = [
            self._model.run_evaluation(
                self._images[start : start + EVALUATION_BATCH],
                self._labels[start : start + EVALUATION_BATCH],
            )
            for start in starts
        ]
        loss = np.array([loss for loss, _ in results], "f8").sum() / len(self._truth)
        answers = np.concatenate([answers.numpy() for _, answers in results])
        return Evaluation(float(loss), float((answers == self._truth).mean()), answers)


@dataclass(frozen=True)
class Moment:
    """The network after a step, the batch that is next, and what the test images are worth."""

    step: int
    weights: list[Any]
    batch: np.ndarray
    on_test: Evaluation | None


class SnapshotCallback(keras.callbacks.Callback):
    """Shows an observer the start, and every step that is logged or evaluated.

    What a network makes of the next batch, the training itself computes in its next step. So where
    that is all that is asked for, a moment is shown when the training has gone on for a segment.
    """

    def __init__(
        self,
        recorder: SnapshotRecorder,
        train: Split,
        test: CompiledEvaluation,
        steps: Collection[int],
        learning_rate: Callable[[int], float],
    ) -> None:
        """Args: steps: after which the test images are evaluated; at the start they are, too."""
        super().__init__()
        self._recorder = recorder
        self._train = train
        self._test = test
        self._steps = frozenset(steps)
        self._learning_rate = learning_rate
        self._aside = ThreadPoolExecutor(1)
        self._looking: Future[None] | None = None
        self._waiting: Moment | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take the start."""
        network = self.model.network
        self._probe = self.model.probe
        self._quantile_source = resolve_quantile_source(network, self._recorder.quantile_source)
        self._is_told = self._quantile_source == "parameters" and is_same_in_training(network)
        self._take(0, self._test(0))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show the start of a segment, if it had to wait, and take its end."""
        assert logs is not None
        step = int(logs["step"])
        self._show_waiting(self.model.opening)
        self._take(step, self._test(step) if step in self._steps else None)

    def close(self) -> None:
        """Show what waits, and wait until all was shown, also after a failure."""
        self._show_waiting(None)
        self._aside.shutdown()
        if self._looking is not None:
            self._looking.result()

    def _take(self, step: int, on_test: Evaluation | None) -> None:
        moment = Moment(step, self.model.latest_weights, self.model.order.peek(), on_test)
        if self._is_told:
            self._waiting = moment
        else:
            self._show(moment, None)

    def _show_waiting(self, opening: tuple[float, np.ndarray] | None) -> None:
        moment, self._waiting = self._waiting, None
        if moment is not None:
            self._show(moment, opening)

    def _show(self, moment: Moment, opening: tuple[float, np.ndarray] | None) -> None:
        """Aside, while the training goes on.

        Args:
            opening: mean loss and answers of the moment's batch, if the training has told them.
        """
        if self._looking is not None:
            self._looking.result()
        self._looking = self._aside.submit(self._look, moment, opening)

    def _look(self, moment: Moment, opening: tuple[float, np.ndarray] | None) -> None:
        truth = self._train.labels[moment.batch]
        if opening is not None:
            loss, answers = opening
            values = self._probe.parameters(moment.weights)
        else:
            images = self._train.images[moment.batch]
            loss, answers, values = self._probe.look(
                moment.weights, images, truth, self._quantile_source
            )
        accuracy = float((answers == truth).mean())
        snapshot = Snapshot(
            step=moment.step,
            learning_rate=self._learning_rate(moment.step),
            batch=moment.batch[:NUM_SHOWN],
            on_batch=Evaluation(loss, accuracy, answers[:NUM_SHOWN].astype("u1")),
            quantiles={name: quantile_edges(value) for name, value in values.items()},
            on_test=moment.on_test,
        )
        self._recorder.record(snapshot)
