"""A training with augmented images, against plain Keras; and the choices of `augmentation`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import FEW_STEPS, network_config, train_network

from mnistexp.augmentation import AugmentationConfig, build_augmentation
from mnistexp.augmentation.transforms import Augmentation
from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.errors import ConfigError
from mnistexp.model import build_model
from mnistexp.train.batch_order import BatchOrder

SETTINGS = ["model=softmax", "optim=adam", "optim.learning_rate=0.001", "train.steps=30"]


def test_each_step_uses_newly_changed_images(data: Data) -> None:
    settings = [*SETTINGS, "augmentation=elastic", "augmentation.erasing=6"]
    network, training = train_network(data, *settings)

    keras.utils.set_random_seed(1)
    plain = build_model(network_config(*settings))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.Adam(0.001), loss)
    change = Augmentation(compose_config(settings)[0].augmentation)
    for step, batch in enumerate(BatchOrder(2_000, 100, "every_epoch", seed=1).take(30)):
        images = change(data.train.images[batch], tf.constant([1, step], tf.int64)).numpy() / 255
        plain.train_on_batch(images, data.train.labels[batch])
    for weights, expected in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, atol=2e-4)
    # Evaluations use the images as they are.
    accuracy = network(data.validation.images / 255).numpy().argmax(1) == data.validation.labels
    assert training.history.last("val_accuracy") == pytest.approx(accuracy.mean(), abs=1e-4)


def test_equal_seeds_give_equal_weights_and_other_seeds_other_ones() -> None:
    def digest(seed: int) -> str:
        from mnistexp.experiment import run_experiment

        settings = [*FEW_STEPS, "augmentation=affine", "tracking=none", f"seed={seed}"]
        return run_experiment(*compose_config(settings)).learner.digest()

    assert digest(3) == digest(3) != digest(4)


def test_the_options_differ_in_their_hash_and_none_is_the_default() -> None:
    affine, elastic = (
        compose_config([f"augmentation={name}"])[0].augmentation for name in ("affine", "elastic")
    )
    assert affine == elastic.model_copy(update={"elastic": 0.0})
    assert compose_config(["augmentation=none"])[0].augmentation.is_off
    assert compose_config([])[0] == compose_config(["augmentation=none"])[0]


def test_a_classical_method_refuses_augmentation() -> None:
    with pytest.raises(ConfigError, match="augmentation"):
        compose_config(["model=random_forest", "augmentation=shift"])


def test_an_impossible_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"augmentation\.scale: expected a number < 1"):
        compose_config(["augmentation.scale=1.0"])


@pytest.mark.parametrize("setting", ["shift", "elastic"])
def test_images_are_not_moved_by_more_than_half_of_them(setting: str) -> None:
    config = AugmentationConfig.model_validate({setting: 11})
    with pytest.raises(ConfigError, match=rf"augmentation\.{setting}: expected at most 10 pixels"):
        build_augmentation(config, (28, 20, 1))


def test_a_square_that_does_not_fit_into_the_images_is_refused() -> None:
    config = AugmentationConfig(erasing=21)
    with pytest.raises(ConfigError, match=r"augmentation\.erasing: expected at most 20 pixels"):
        build_augmentation(config, (28, 20, 1))
