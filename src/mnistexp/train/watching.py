"""Looking at a network while it trains: evaluations of a split, and snapshots for an observer.

Imports Keras, so it is imported where it is used.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.train.compiled import FastModel
from mnistexp.train.probe import resolve_spread
from mnistexp.train.snapshot import NUM_SHOWN, Evaluation, Observer, Snapshot, boundaries
from mnistexp.train.split import Split

EVALUATION_BATCH = 1_000


class FastEvaluation:
    """What a split, which lies on the device, is worth; computed once for each step."""

    def __init__(self, model: FastModel, split: Split) -> None:
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


class Observe(keras.callbacks.Callback):
    """Shows an observer the start, and every step that is logged or evaluated."""

    def __init__(
        self,
        observer: Observer,
        train: Split,
        test: FastEvaluation,
        steps: Collection[int],
        learning_rate: Callable[[int], float],
    ) -> None:
        """Args: steps: after which the test images are evaluated; at the start they are, too."""
        super().__init__()
        self._observer = observer
        self._train = train
        self._test = test
        self._steps = frozenset(steps)
        self._learning_rate = learning_rate
        self._aside = ThreadPoolExecutor(1)
        self._looking: Future[None] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show the start."""
        self._spread = resolve_spread(self.model.network, self._observer.spread)
        self._show(0, self._test(0))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show the end of a segment."""
        assert logs is not None
        step = int(logs["step"])
        self._show(step, self._test(step) if step in self._steps else None)

    def close(self) -> None:
        """Wait until all was shown, also after a failure."""
        self._aside.shutdown()
        if self._looking is not None:
            self._looking.result()

    def _show(self, step: int, on_test: Evaluation | None) -> None:
        """Copy the network, and look at the copy aside, while the training goes on."""
        if self._looking is not None:
            self._looking.result()
        self.model.probe.take()
        batch = self.model.order.peek()
        self._looking = self._aside.submit(self._look, step, batch, on_test)

    def _look(self, step: int, batch: np.ndarray, on_test: Evaluation | None) -> None:
        truth = self._train.labels[batch]
        loss, answers, values = self.model.probe.look(
            tf.constant(self._train.images[batch]), tf.constant(truth, tf.int32), self._spread
        )
        answers = answers.numpy().astype("u1")
        accuracy = float((answers == truth).mean())
        snapshot = Snapshot(
            step=step,
            learning_rate=self._learning_rate(step),
            batch=batch[:NUM_SHOWN],
            on_batch=Evaluation(float(loss), accuracy, answers[:NUM_SHOWN]),
            spreads={name: boundaries(tensor.numpy()) for name, tensor in values.items()},
            on_test=on_test,
        )
        self._observer.observe(snapshot)
