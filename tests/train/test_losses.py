"""Losses of Keras by name: the training equals plain Keras, and curves stay cross-entropies."""

from typing import get_args

import keras
import numpy as np
import pytest
from support import network_config, train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.errors import ConfigError
from mnistexp.model import build_model
from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.config import LossName

KERAS_LOSSES = ["categorical_focal_crossentropy", "categorical_hinge", "mean_squared_error"]


@pytest.mark.parametrize(
    ("loss", "smoothing"), [*((loss, 0.0) for loss in KERAS_LOSSES), ("cross_entropy", 0.2)]
)
def test_the_weights_equal_those_of_plain_keras_with_the_same_loss(
    data: Data, loss: str, smoothing: float
) -> None:
    settings = ["model=softmax", "optim=adam", "optim.learning_rate=0.001"]
    settings += ["train.steps=30", f"train.loss={loss}", f"train.label_smoothing={smoothing}"]
    network, training = train_network(data, *settings, "train.evaluate_every=30")

    keras.utils.set_random_seed(1)
    logits = build_model(network_config(*settings))
    outputs = logits.output if "hinge" in loss else keras.layers.Softmax()(logits.output)
    plain = keras.Model(logits.input, outputs)
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    plain.compile(keras.optimizers.Adam(0.001), smoothed if smoothing else loss)
    cross_entropies = []
    for batch in BatchOrder(2_000, 100, "every_epoch", seed=1).take(30):
        images, labels = data.train.images[batch].astype("f4") / 255, data.train.labels[batch]
        cross_entropies.append(
            keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits(images))
        )
        plain.train_on_batch(images, keras.utils.to_categorical(labels, 10))
    for weights, expected in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, atol=2e-4)
    mean = np.mean([float(value) for value in cross_entropies])
    assert training.history.last("train_loss") == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("loss", get_args(LossName))
def test_every_loss_has_one_value_per_image(loss: str) -> None:
    from mnistexp.train.losses import find_loss

    values = find_loss(loss)(np.array([3, 0]), np.eye(10, dtype="f4")[:2])
    assert values.shape == (2,)
    assert np.isfinite(values).all()


def test_smoothed_labels_need_a_loss_of_probabilities() -> None:
    with pytest.raises(ConfigError, match=r"train\.label_smoothing: expected 0 with a hinge loss"):
        compose_config(["train.loss=categorical_hinge", "train.label_smoothing=0.1"])


def test_a_mistyped_loss_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"train\.loss.*mean_squared_error"):
        compose_config(["train.loss=mean_square_error"])
