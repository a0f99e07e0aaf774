"""The fast loop: many steps in one call of a compiled function.

Keras' own `fit` goes back to Python, and copies a batch of floats, at every step. Here the uint8
images lie on the device, a call gets the indices of a chunk of batches, and a `tf.while_loop`
gathers, scales, differentiates and updates. Imports TensorFlow, so it is imported where it is used.

Compiling takes longer than many a training, and XLA never gives the memory back that it took. So a
loop is compiled once in a process for all networks and optimizers of one kind: it has a network of
its own, into which the values of the one that is to be trained are put, and out of which they are
taken in the end.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled  # Not public.

from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.divergence import check_finite
from mnistexp.train.layer_statistics import LayerStatistics
from mnistexp.train.split import Split

MAX_CHUNK_STEPS = 200
"""Steps of one call at most; the shape that is compiled for."""
CHUNK_SECONDS = 0.3
"""What a call should take at most, so that Ctrl-C is heard."""
MAX_KEPT = 4
"""Compiled loops that a process keeps."""


class CompiledTrainer(keras.Model):
    """A network that Keras' `fit` trains a segment, (first step, last step), at a time.

    latest_weights: the values of the network's weights, as it is now.
    opening: mean loss and answers, int32 [batch_size], of the first batch of the latest segment,
        before its update.
    """

    def __init__(self, network: keras.Model, scale: float, loss: str) -> None:
        """Args: scale: pixels are divided by it. loss: a name of `LOSSES`."""
        super().__init__(name="fast")
        self.network = network
        self.scale = scale
        self.loss_per_image = LOSSES[loss]
        self.latest_weights: list[Any] = []
        self.built = True

    @contextmanager
    def training(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        train: Split,
        order: BatchOrder,
    ) -> Iterator[None]:
        """While this lasts, the model is trained as if it were this network with this optimizer.

        At the end, if all went well, their values are those that were learned.
        """
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # As `compile` has done.
        optimizer.build(network.trainable_variables)
        theirs = [*network.variables, *optimizer.variables]
        ours = [*self.network.variables, *self.optimizer.variables]
        _copy(theirs, ours)
        self.order = order
        self.chunk_steps = MAX_CHUNK_STEPS
        self.stop_training = False
        self.train_images = tf.constant(train.images)
        self.train_labels = tf.constant(train.labels, tf.int32)
        try:
            yield
            _copy(ours, theirs)
        finally:
            del self.train_images, self.train_labels, self.order
            self.latest_weights = []

    @cached_property
    def probe(self) -> LayerStatistics:
        """For an observer, of which a process has one or none."""
        return LayerStatistics(self.network, self.scale, self.loss_per_image)

    def call(self, images: Any, training: bool = False) -> Any:
        """Logits, [n, 10], of uint8 images."""
        scaled = tf.cast(images, tf.float32) * (1 / self.scale)
        return tf.cast(self.network(scaled, training=training), tf.float32)

    def make_train_function(self, force: bool = False) -> None:
        """What `fit` calls for each segment: chunks of steps, each in one compiled call."""
        if getattr(self, "train_function", None) is not None:
            self._run(0)  # Images of another number need another compilation.
            return
        # On one device there is nothing to sum, and TensorFlow would register a gradient of the sum
        # for good, which keeps the compiled loop and all its images when the run is long over.
        self.optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
        self.run_chunk = self._compiled_chunk()
        self._run(0)  # Compiles, so that the speed of the first segment is that of the others.

        def run_segment(iterator: Any) -> dict[str, float]:
            start, stop = (int(step) for step in next(iterator))
            begin = time.perf_counter()
            losses, accuracies = [], []
            step = start
            while step < stop:
                chunk_losses, chunk_accuracies = self._run_timed(min(self.chunk_steps, stop - step))
                if step == start:
                    self.opening = float(chunk_losses[0]), self.latest_answers.numpy()
                step += len(chunk_losses)
                losses.append(chunk_losses)
                accuracies.append(chunk_accuracies)
                check_finite(float(chunk_losses[-1]), step)
            return {
                "step": stop,
                "loss": float(np.concatenate(losses).mean(dtype="f8")),
                "accuracy": float(np.concatenate(accuracies).mean(dtype="f8")),
                "images_per_second": (stop - start)
                * self.order.batch_size
                / (time.perf_counter() - begin),
            }

        self.train_function = run_segment

    def _compiled_chunk(self) -> Any:
        """`_run_chunk`, and what the weights are then.

        Reading them copies nothing: who changes a variable whose value is held writes elsewhere.
        """
        compiled = tf.function(self._run_chunk, jit_compile=self.jit_compile)

        def run_chunk(*arguments: Any) -> Any:
            result = compiled(*arguments)
            with tf.control_dependencies(result):
                return result, [weight.value.read_value() for weight in self.network.weights]

        return tf.function(run_chunk)

    def _run_timed(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        begin = time.perf_counter()
        result = self._run(num_steps)
        seconds_per_step = (time.perf_counter() - begin) / num_steps
        self.chunk_steps = int(np.clip(CHUNK_SECONDS / seconds_per_step, 1, MAX_CHUNK_STEPS))
        return result

    def _run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Loss and accuracy, each [num_steps], of the next steps; up to one that is not finite."""
        indices = np.zeros((MAX_CHUNK_STEPS, self.order.batch_size), "i4")
        indices[:num_steps] = self.order.take(num_steps)
        self.latest_weights = []  # Unless somebody else holds them, they are changed in place.
        (done, losses, accuracies, self.latest_answers), self.latest_weights = self.run_chunk(
            self.train_images, self.train_labels, tf.constant(indices), tf.constant(num_steps)
        )
        return losses.numpy()[: int(done)], accuracies.numpy()[: int(done)]

    def _run_chunk(self, images: Any, labels: Any, indices: Any, num_steps: Any) -> Any:
        """The compiled loop over `num_steps` of the batches, int32 [MAX_CHUNK_STEPS, batch].

        Returns: how many steps were done, their losses and accuracies, the answers to the first.
        """

        def go_on(step: Any, loss: Any, first: Any, losses: Any, accuracies: Any) -> Any:
            return tf.logical_and(step < num_steps, tf.math.is_finite(loss))

        def body(step: Any, _: Any, first: Any, losses: Any, accuracies: Any) -> Any:
            truth = tf.gather(labels, indices[step])
            loss, answers = self._step(tf.gather(images, indices[step]), truth)
            accuracy = tf.reduce_mean(tf.cast(tf.equal(answers, truth), tf.float32))
            first = tf.where(step == 0, answers, first)
            return step + 1, loss, first, losses.write(step, loss), accuracies.write(step, accuracy)

        per_step = [tf.TensorArray(tf.float32, MAX_CHUNK_STEPS, element_shape=()) for _ in range(2)]
        start = (tf.constant(0), tf.constant(0.0), tf.zeros_like(indices[0]), *per_step)
        done, _, first, losses, accuracies = tf.while_loop(go_on, body, start)
        return done, losses.stack(), accuracies.stack(), first

    def _step(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """One update by these images; their mean loss and the answers before it."""
        weights = self.network.trainable_weights
        with tf.GradientTape() as tape:
            logits = self(images, training=True)
            loss = tf.reduce_mean(self.loss_per_image(labels, logits))
            penalties = [tf.cast(penalty, tf.float32) for penalty in self.network.losses]
            total = tf.add_n([loss, *penalties])
            scaled_loss = self.optimizer.scale_loss(total)  # For float16, else the same.
        gradients = tape.gradient(scaled_loss, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss, answers(logits)

    def evaluate_batch(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Sum of the losses, and the answers, uint8 [n]; compiled by `compiled_model`."""
        logits = self(images, training=False)
        loss = tf.reduce_sum(self.loss_per_image(labels, logits))
        return loss, tf.cast(answers(logits), tf.uint8)


def compiled_model(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    scale: float,
    loss: str,
    xla: bool,
) -> CompiledTrainer:
    """The model for networks and optimizers of this kind, which may have been compiled already.

    Neither values nor seeds make a kind, nor a learning rate that is constant.
    """
    serialized = keras.optimizers.serialize(optimizer)
    kind = (
        json.dumps(network.get_config(), default=str),
        json.dumps(_without_rate(serialized), default=str),
        *(scale, loss, xla, keras.config.dtype_policy().name, is_op_determinism_enabled()),
    )
    if kind not in _KEPT:
        model = CompiledTrainer(keras.Model.from_config(network.get_config()), scale, loss)
        # By its class and not by its name: what is registered with Keras by name, MLflow pickles.
        schedule = type(optimizer._learning_rate)
        ours = keras.optimizers.deserialize(serialized, {schedule.__name__: schedule})
        model.compile(ours, jit_compile=xla)
        model.optimizer.build(model.network.trainable_variables)
        model.run_evaluation = tf.function(model.evaluate_batch, jit_compile=xla)
        _KEPT[kind] = model
    _KEPT.move_to_end(kind)
    if len(_KEPT) > MAX_KEPT:
        _KEPT.popitem(last=False)
    return _KEPT[kind]


_KEPT: OrderedDict[tuple[Any, ...], CompiledTrainer] = OrderedDict()


def _without_rate(serialized: dict[str, Any]) -> dict[str, Any]:
    """A constant learning rate is a variable of the optimizer, so any will do."""
    config = dict(serialized["config"])
    if isinstance(config.get("learning_rate"), float):
        config["learning_rate"] = 0.1
    return {**serialized, "config": config}


def _copy(sources: list[Any], targets: list[Any]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.assign(source)


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def _naive_cross_entropy(labels: Any, logits: Any) -> Any:
    """As it stands in a textbook: 0·log(0) is NaN as soon as one probability rounds to 0."""
    one_hot = tf.one_hot(labels, logits.shape[-1])
    return -tf.reduce_sum(one_hot * tf.math.log(tf.nn.softmax(logits)), axis=-1)


LOSSES = {"cross_entropy": _cross_entropy, "naive_cross_entropy": _naive_cross_entropy}


def answers(logits: Any) -> Any:
    """The class of the highest logit, int32 [n]."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32)
