"""Keras' `fit`: as a user would write it first, and tuned."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnistexp.data import Data
from mnistexp.model import NetworkConfig, build_model
from mnistexp.optim import build_optimizer
from training_speed.block_timer import BlockTimer
from training_speed.case import Case


class GatherModel(keras.Model):
    """A network that receives indices of images, which stay in memory as uint8."""

    def __init__(self, network: keras.Model, data: Data) -> None:
        super().__init__()
        self.network = network
        self._images = tf.constant(data.train.images)
        self._labels = tf.constant(data.train.labels, tf.int32)

    def call(self, images: Any, training: bool = False) -> Any:
        return self.network(images, training=training)

    def train_step(self, indices: Any) -> dict[str, Any]:
        images = tf.cast(tf.gather(self._images, indices), tf.float32) * (1 / 255)
        return dict(super().train_step((images, tf.gather(self._labels, indices))))


def train(
    case: Case,
    timer: BlockTimer,
    *,
    steps_per_execution: int = 1,
    jit_compile: bool | str = "auto",
    gather: bool = False,
) -> float:
    """Train with `fit`; return the test accuracy.

    Args:
        steps_per_execution: as of Keras' `compile`.
        jit_compile: as of Keras' `compile`.
        gather: pass indices to a train_step of its own, instead of images.
    """
    config, data = case.config(), case.data()
    assert isinstance(config.model, NetworkConfig)
    if case.threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(case.threads)
    keras.config.set_dtype_policy(case.precision)
    keras.utils.set_random_seed(0)
    network = build_model(config.model)
    model = GatherModel(network, data) if gather else network
    model.compile(
        build_optimizer(config.optim, config.optim.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
    )
    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: timer.begin(), on_epoch_end=lambda *_: timer.end()
    )
    settings: dict[str, Any] = {"epochs": case.blocks, "steps_per_epoch": case.steps}
    settings |= {"verbose": 0, "callbacks": [callback]}
    if gather:
        model.fit(_index_batches(case, len(data.train)), **settings)
    else:
        count = _images_of_whole_blocks(case, len(data.train))
        images = data.train.images[:count].astype("f4") / 255
        model.fit(images, data.train.labels[:count], batch_size=case.batch_size, **settings)
    assert int(model.optimizer.iterations) == case.blocks * case.steps
    logits = network.predict(data.test.images.astype("f4") / 255, batch_size=1000, verbose=0)
    return float(np.mean(logits.argmax(1) == data.test.labels))


def _images_of_whole_blocks(case: Case, num_images: int) -> int:
    """Return the number of images whose batches are full and fill whole blocks.

    With more images, `fit` would end a block early whenever it has seen all images.
    """
    block = case.steps * case.batch_size
    return num_images // block * block


def _index_batches(case: Case, num_images: int) -> tf.data.Dataset:
    """Return an endless data set of the indices of batches, int32 [batch_size]."""
    indices = tf.data.Dataset.range(num_images, output_type=tf.int32).shuffle(num_images)
    return indices.repeat().batch(case.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
