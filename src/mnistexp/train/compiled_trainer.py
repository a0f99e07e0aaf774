"""The fast training loop: many steps in one call of a compiled function.

Keras' own `fit` returns to Python, and copies a batch of floats, at every step. Here the uint8
images stay on the device. A call receives the indices of a chunk of batches and gathers their
images. Then a `tf.while_loop` scales the images of a batch, computes the gradient and updates the
weights. Imports TensorFlow, so import this module only where a network is trained.

The compilation takes longer than many trainings, and XLA never frees the memory that it has
allocated. So a process compiles one loop for all networks and optimizers of the same configuration.
The loop has a network of its own. The values of the network to train are copied into it before the
training and back after it.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.activity import show_activity
from mnistexp.train.batch_order import BatchOrder, Split
from mnistexp.train.checkpoint import Checkpoint
from mnistexp.train.divergence import find_origin_of_loss
from mnistexp.train.history import check_finite
from mnistexp.train.keras_private import skip_gradient_sum
from mnistexp.train.layer_statistics import LayerStatistics
from mnistexp.train.losses import LossPerImage, cross_entropy, find_loss
from mnistexp.train.network_copy import copy_network, count_updates

MAX_CHUNK_STEPS = 200
"""Maximum number of steps per call. The loop is compiled for this number, and a call gathers the
images of so many steps, even if it runs fewer."""
SHORT_CHUNK_STEPS = 100
"""The maximum for a training whose segments are no longer than this."""
MAX_CHUNK_BYTES = 64 * 2**20
"""Maximum size of the images that a call gathers. A call has at least one step."""
CHUNK_SECONDS = 0.3
"""Maximum duration of a call. Python handles Ctrl-C only between calls."""
FIRST_CHUNK_STEPS = 20
"""Number of steps of the first call, before the duration of a step is known."""
MAX_CACHED_TRAINERS = 4
EVALUATION_BATCH_SIZE = 1_000
Augment = Callable[[Any, Any], Any]
"""Images, uint8 [n, height, width, channels], and a seed, int64 [2], to images as float32."""


@dataclass
class Segment:
    """A segment of the training, as far as it has come.

    start: its first step, from 0. step: the last step that was run. losses, accuracies: of its
    steps, in one array for each call. seconds: duration of the calls.
    """

    start: int
    step: int
    losses: list[np.ndarray] = field(default_factory=list)
    accuracies: list[np.ndarray] = field(default_factory=list)
    seconds: float = 0.0


class CompiledTrainer(keras.Model):
    """A model that Keras' `fit` trains one segment, (first step, last step), at a time.

    latest_weights: the current values of the network's weights.
    num_steps_of_chunk: the number of steps that the latest call ran.
    first_batch: mean cross-entropy and predictions, int32 [batch_size], of the first batch of the
        latest segment, before its update; None if the segment was continued from a checkpoint.
    segment: the latest segment.
    """

    def __init__(
        self,
        network: keras.Model,
        scale: float,
        loss_per_image: LossPerImage,
        augment: Augment | None = None,
        parts_per_batch: int = 1,
    ) -> None:
        """Create the model.

        Args:
            network: float images to logits.
            scale: divisor of the pixels.
            loss_per_image: what the training minimizes.
            augment: changes the images of each step at random; must be hashable.
            parts_per_batch: parts of a batch that are computed at the same time in a step.
        """
        super().__init__(name="compiled_trainer")
        self.network = network
        self.scale = scale
        self.loss_per_image = loss_per_image
        self._augment = augment
        self._parts_per_batch = parts_per_batch
        self.run_evaluation = tf.function(self.evaluate_split)
        self.latest_weights: list[Any] = []
        self._values_before_chunk: list[Any] = []
        self.built = True

    @contextmanager
    def training(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        train: Split,
        order: BatchOrder,
        seed: int = 0,
        start: Checkpoint | None = None,
        segment_steps: int = MAX_CHUNK_STEPS,
    ) -> Iterator[None]:
        """Train in place of this network and optimizer, inside the `with` block.

        If the block ends without an exception, the trained values are copied to them.

        Args:
            seed: of the augmentation.
            start: continue here.
            segment_steps: steps of the longest segment.
        """
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # As `compile` does.
        optimizer.build(network.trainable_variables)
        outer_variables = [*network.variables, *optimizer.variables]
        own_variables = self.all_variables
        _copy_values(outer_variables, own_variables)
        self.order = order
        self._seed, self._chunk_start = seed, 0
        self.after_chunk: Callable[[], None] = lambda: None
        self.first_batch: tuple[float, np.ndarray] | None = None
        self._continued_segment = None if start is None else self._restore(start)
        batch_bytes = order.batch_size * train.images[:1].nbytes
        self._max_chunk_steps = max_chunk_steps(batch_bytes, segment_steps)
        self.chunk_steps = min(FIRST_CHUNK_STEPS, self._max_chunk_steps)
        self.stop_training = False
        self.train_images = tf.constant(train.images)
        self.train_labels = tf.constant(train.labels, tf.int32)
        try:
            yield
            _copy_values(own_variables, outer_variables)
        finally:
            del self.train_images, self.train_labels, self.order, self.after_chunk
            self.latest_weights, self._values_before_chunk = [], []

    @cached_property
    def layer_statistics(self) -> LayerStatistics:
        """Statistics of the layers for snapshots, compiled once."""
        return LayerStatistics(self.network, self.scale)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return logits, float32 [n, num_classes], of images with pixels from 0 to 255."""
        return tf.cast(self.network(self.scale_images(images), training=training), tf.float32)

    def scale_images(self, images: Any) -> Any:
        """Return pixels from 0 to 255 as the float32 input of the network."""
        return tf.cast(images, tf.float32) * (1 / self.scale)

    def make_train_function(self, force: bool = False) -> None:
        """Set the function that Keras' `fit` calls for each segment."""
        if getattr(self, "train_function", None) is None:
            skip_gradient_sum(self.optimizer)
            self.evaluate_batch = tf.function(self._evaluate_batch, jit_compile=self.jit_compile)
            self.run_chunk = self._compile_chunk()
            self.train_function = self._run_segment
        # Compiles now, so that the measured speed of the first segment does not include it. A new
        # number of images needs a new compilation, too.
        with show_activity("compiling the training loop"):
            self._run(0)

    @property
    def augments(self) -> bool:
        """Whether the images are changed at random."""
        return self._augment is not None

    def augmented(self, images: Any, step: int) -> Any:
        """Return images as a step sees them, before they are scaled.

        Args:
            images: uint8 [n, height, width, channels].
            step: counts from 0.
        """
        return self._augment_if_set(images, tf.constant([self._seed, step], tf.int64))

    def _augment_if_set(self, images: Any, seed: Any) -> Any:
        return images if self._augment is None else self._augment(images, seed)

    def _run_segment(self, iterator: Any) -> dict[str, float]:
        """Train from one step to another; return the last step and the mean metrics."""
        start, stop = (int(step) for step in next(iterator))
        self.segment, self._continued_segment = (
            self._continued_segment or Segment(start, start),
            None,
        )
        while self.segment.step < stop:
            self._extend_segment(min(self.chunk_steps, stop - self.segment.step))
            self.after_chunk()
        return {
            "step": stop,
            "loss": float(np.concatenate(self.segment.losses).mean(dtype="f8")),
            "accuracy": float(np.concatenate(self.segment.accuracies).mean(dtype="f8")),
            "images_per_second": (stop - start) * self.order.batch_size / self.segment.seconds,
        }

    def _extend_segment(self, num_steps: int) -> None:
        """Run the next steps of the segment. Raises TrainingDiverged if a loss is not finite."""
        begin = time.perf_counter()
        segment = self.segment
        self._chunk_start = segment.step
        losses, accuracies = self._run_timed(num_steps)
        if segment.step == segment.start:
            self.first_batch = float(losses[0]), self.latest_predictions.numpy()
        segment.step += len(losses)
        segment.losses.append(losses)
        segment.accuracies.append(accuracies)
        check_finite(
            float(losses[-1]), segment.step, find_origin=partial(find_origin_of_loss, self)
        )
        segment.seconds += time.perf_counter() - begin

    def _restore(self, checkpoint: Checkpoint) -> Segment:
        """Set all variables and the order of the batches; return the segment to continue."""
        _copy_values(checkpoint.variables, self.all_variables)
        self.order.go_to(checkpoint.position)
        return Segment(
            checkpoint.segment_start,
            checkpoint.step,
            [checkpoint.losses],
            [checkpoint.accuracies],
            checkpoint.segment_seconds,
        )

    def _compile_chunk(self) -> Any:
        """Compile `_run_chunk`, and return also all variables before it and the weights after it.

        Reading them copies nothing: TensorFlow copies a variable's value only if the variable
        changes while another reference to the value exists. The images are gathered outside the
        loop, because XLA gathers pixel by pixel.
        """
        compiled = tf.function(self._run_chunk, jit_compile=self.jit_compile)

        def run_chunk(images: Any, labels: Any, indices: Any, num_steps: Any, seed: Any) -> Any:
            before = [variable.value.read_value() for variable in self.all_variables]
            chunk = tf.gather(images, indices), tf.gather(labels, indices)
            with tf.control_dependencies(before):
                result = compiled(*chunk, num_steps, seed)
            with tf.control_dependencies(result):
                after = [weight.value.read_value() for weight in self.network.weights]
            return result, before, after

        return tf.function(run_chunk)

    def _run_timed(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        begin = time.perf_counter()
        result = self._run(num_steps)
        seconds_per_step = (time.perf_counter() - begin) / num_steps
        self.chunk_steps = int(np.clip(CHUNK_SECONDS / seconds_per_step, 1, self._max_chunk_steps))
        return result

    def _run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Run the next steps, up to the first loss that is not finite.

        Returns:
            Loss and accuracy of each step that was run.
        """
        indices = np.zeros((self._max_chunk_steps, self.order.batch_size), "i4")
        indices[:num_steps] = self.order.take(num_steps)
        self._indices = indices
        self._values_before_chunk = []  # Free them before the next ones are kept.
        losses, accuracies, self._values_before_chunk = self._run_batches(num_steps)
        self.num_steps_of_chunk = len(losses)
        return losses, accuracies

    def replay(self, num_steps: int) -> None:
        """Set all variables to the values that they had after the first steps of the last chunk."""
        _copy_values(self._values_before_chunk, self.all_variables)
        self._run_batches(num_steps)

    def batch_of_chunk(self, index: int) -> tuple[Any, Any]:
        """Return images and labels of a step of the last chunk. index: of the step, from 0."""
        rows = self._indices[index]
        images = tf.gather(self.train_images, rows)
        return (
            self.augmented(images, self._chunk_start + index),
            tf.gather(self.train_labels, rows),
        )

    @property
    def all_variables(self) -> list[Any]:
        """Those of the network (weights, random states), then those of the optimizer."""
        return [*self.network.variables, *self.optimizer.variables]

    def _run_batches(self, num_steps: int) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Return losses, accuracies, and the values of all variables before the first step."""
        indices = tf.constant(self._indices)
        self.latest_weights = []  # Without a second reference, the weights are updated in place.
        # Arguments, because all runs of a process share the compiled loop, whatever their seed.
        seed = tf.constant([self._seed, self._chunk_start], tf.int64)
        result, before, self.latest_weights = self.run_chunk(
            self.train_images, self.train_labels, indices, tf.constant(num_steps), seed
        )
        done, losses, accuracies, self.latest_predictions = result
        return losses.numpy()[: int(done)], accuracies.numpy()[: int(done)], before

    def _run_chunk(self, images: Any, labels: Any, num_steps: Any, seed: Any) -> Any:
        """Run the first steps of a chunk of batches.

        Args:
            images: uint8 [max_steps, batch_size, height, width, channels].
            labels: int32 [max_steps, batch_size].
            num_steps: number of steps to run, int32.
            seed: of the augmentation of the first step, int64 [2]: of the run, and the step.

        Returns:
            Number of steps that were run, their losses, their accuracies, and the predictions for
            the first batch.
        """

        def keep_going(step: Any, loss: Any, first: Any, losses: Any, accuracies: Any) -> Any:
            return tf.logical_and(step < num_steps, tf.math.is_finite(loss))

        def body(step: Any, _: Any, first: Any, losses: Any, accuracies: Any) -> Any:
            step_seed = seed + tf.stack([tf.zeros_like(seed[1]), tf.cast(step, tf.int64)])
            batch_images = self._augment_if_set(images[step], step_seed)
            loss, predictions = self._step(batch_images, labels[step])
            accuracy = tf.reduce_mean(tf.cast(tf.equal(predictions, labels[step]), tf.float32))
            first = tf.where(step == 0, predictions, first)
            return step + 1, loss, first, losses.write(step, loss), accuracies.write(step, accuracy)

        per_step = [tf.TensorArray(tf.float32, labels.shape[0], element_shape=()) for _ in range(2)]
        start = (tf.constant(0), tf.constant(0.0), tf.zeros_like(labels[0]), *per_step)
        done, _, first, losses, accuracies = tf.while_loop(keep_going, body, start)
        return done, losses.stack(), accuracies.stack(), first

    def _step(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Update the weights by one batch; return its loss and predictions before that."""
        loss, logits, gradients = self.compute_gradients(images, labels)
        weights = self.network.trainable_weights
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self._reported_loss(loss, labels, logits), predicted_classes(logits)

    def compute_gradients(self, images: Any, labels: Any) -> tuple[Any, Any, list[Any]]:
        """Return the mean loss of a batch, its logits, and the gradients of the trainable weights.

        The gradients include the penalties of the layers.
        """
        with tf.GradientTape() as tape:
            logits = self._training_logits(images)
            loss = tf.reduce_mean(self.loss_per_image(labels, logits))
            penalties = [tf.cast(penalty, tf.float32) for penalty in self.network.losses]
            total = tf.add_n([loss, *penalties])
            scaled_loss = self.optimizer.scale_loss(total)  # Changes it for float16 only.
        return loss, logits, tape.gradient(scaled_loss, self.network.trainable_weights)

    def _training_logits(self, images: Any) -> Any:
        """Return the logits of a batch, computed in parts that do not wait for each other."""
        if self._parts_per_batch == 1:
            return self(images, training=True)
        sizes = [len(part) for part in np.array_split(range(len(images)), self._parts_per_batch)]
        parts = tf.split(images, sizes)
        return tf.concat([self(part, training=True) for part in parts], axis=0)

    def _reported_loss(self, loss: Any, labels: Any, logits: Any) -> Any:
        """Return the mean cross-entropy, or the minimized loss if that is not finite.

        So the curves of all losses can be compared, and any loss of NaN ends the training.
        """
        if self.loss_per_image is cross_entropy:
            return loss
        mean = tf.reduce_mean(cross_entropy(labels, logits))
        return tf.where(tf.math.is_finite(loss), mean, loss)

    @contextmanager
    def final_weights(self) -> Iterator[None]:
        """Give the network the weights that it would have if the training ended now.

        They differ from the current ones if the optimizer averages them (`optim.use_ema`).
        """
        optimizer: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        # The averages are 0 before the first update.
        if not optimizer.use_ema or not int(optimizer.iterations):
            yield
            return
        weights = self.network.trainable_weights
        current = [tf.identity(weight.value) for weight in weights]
        optimizer.finalize_variable_values(weights)
        try:
            yield
        finally:
            _copy_values(current, weights)

    def evaluate_split(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Evaluate all images of a split, in batches.

        Args:
            images: uint8 [n, height, width, channels].
            labels: int32 [n].

        Returns:
            The sum of the cross-entropies of each batch, and the predictions, uint8 [n].
        """
        num_batches = -(-labels.shape[0] // EVALUATION_BATCH_SIZE)

        def body(batch: Any, losses: Any, predictions: Any) -> tuple[Any, Any, Any]:
            rows = slice(batch * EVALUATION_BATCH_SIZE, (batch + 1) * EVALUATION_BATCH_SIZE)
            loss, predicted = self.evaluate_batch(images[rows], labels[rows])
            return batch + 1, losses.write(batch, loss), predictions.write(batch, predicted)

        per_batch = (
            tf.TensorArray(tf.float32, num_batches, element_shape=()),
            tf.TensorArray(tf.uint8, num_batches, element_shape=[None], infer_shape=False),
        )
        _, losses, predictions = tf.while_loop(
            lambda batch, *_: batch < num_batches, body, (tf.constant(0), *per_batch)
        )
        return losses.stack(), predictions.concat()

    def _evaluate_batch(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Return the sum of the cross-entropies, and the predictions, uint8 [n]."""
        logits = self(images, training=False)
        loss = tf.reduce_sum(cross_entropy(labels, logits))
        return loss, tf.cast(predicted_classes(logits), tf.uint8)


def max_chunk_steps(batch_bytes: int, segment_steps: int) -> int:
    """Return the maximum number of steps per call.

    Args:
        batch_bytes: size of the images of a batch.
        segment_steps: steps of the longest segment.
    """
    maximum = MAX_CHUNK_STEPS
    if segment_steps <= SHORT_CHUNK_STEPS:
        maximum = min(SHORT_CHUNK_STEPS, maximum)
    return int(np.clip(MAX_CHUNK_BYTES // batch_bytes, 1, maximum))


def find_or_build_trainer(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    schedule: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    scale: float,
    loss: str,
    label_smoothing: float,
    augment: Augment | None,
    xla: bool,
    cpu_layers: bool,
    parts_per_batch: int,
    momentum_warmup: Collection[str],
    deterministic: bool,
) -> CompiledTrainer:
    """Return the trainer for this configuration of network and optimizer; build it if needed.

    Values of weights, seeds and a constant learning rate are not part of the configuration.
    """
    key = (
        json.dumps(network.get_config(), default=str),
        json.dumps(_optimizer_key(optimizer), default=str),
        scale,
        loss,
        label_smoothing,
        augment,
        xla,
        cpu_layers,
        parts_per_batch,
        frozenset(momentum_warmup),
        keras.config.dtype_policy().name,
        deterministic,
    )
    if key not in _TRAINERS:
        loss_per_image = find_loss(loss, label_smoothing)
        copy = copy_network(network, momentum_warmup, cpu_layers=cpu_layers, xla=xla)
        trainer = CompiledTrainer(copy, scale, loss_per_image, augment, parts_per_batch)
        # Keras cannot deserialize a schedule of our own without registering its class, and MLflow
        # pickles registered classes. So pass the object itself.
        settings = {**optimizer.get_config(), "learning_rate": schedule}
        trainer.compile(type(optimizer).from_config(settings), jit_compile=xla)
        trainer.optimizer.build(trainer.network.trainable_variables)
        count_updates(trainer.network, trainer.optimizer)
        _TRAINERS[key] = trainer
    _TRAINERS.move_to_end(key)
    if len(_TRAINERS) > MAX_CACHED_TRAINERS:
        _TRAINERS.popitem(last=False)
    return _TRAINERS[key]


_TRAINERS: OrderedDict[tuple[Any, ...], CompiledTrainer] = OrderedDict()


def _optimizer_key(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Return the configuration, without a constant learning rate, which is a variable."""
    serialized: dict[str, Any] = keras.optimizers.serialize(optimizer)
    config = dict(serialized["config"])
    if isinstance(config.get("learning_rate"), float):
        del config["learning_rate"]
    return {**serialized, "config": config}


def _copy_values(sources: list[Any], targets: list[Any]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.assign(source)


def predicted_classes(logits: Any) -> Any:
    """Return the class of the highest logit, int32 [n]."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32)
