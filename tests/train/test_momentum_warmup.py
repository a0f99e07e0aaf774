"""The moving averages of batch normalization follow the momentum of the lab."""

import keras
import numpy as np
import pytest
from support import train_network

from mnistexp.data import Data
from mnistexp.train.batch_order import BatchOrder

NUM_STEPS = 25
SETTINGS = ["model=five_layers_batchnorm", "optim=sgd", f"train.steps={NUM_STEPS}"]
FROZEN = (
    "optim.learning_rate=1e-30"  # The weights stay the same, so the batch statistics are known.
)


def expected_averages(
    data: Data, hidden_weights: np.ndarray, momenta: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Moving mean and variance of the first layer after the first batches, in NumPy."""
    mean, variance = np.zeros(200), np.ones(200)
    batches = BatchOrder(2_000, 100, "every_epoch", seed=1).take(len(momenta))
    for momentum, batch in zip(momenta, batches, strict=True):
        inputs = data.train.images[batch].reshape(100, 784) / 255
        sums = inputs @ hidden_weights.astype("f8")
        mean = momentum * mean + (1 - momentum) * sums.mean(0)
        variance = momentum * variance + (1 - momentum) * sums.var(0)
    return mean, variance


@pytest.mark.parametrize("xla", [False, True])
def test_the_averages_after_n_steps_equal_the_formula(data: Data, xla: bool) -> None:
    network, _ = train_network(data, *SETTINGS, FROZEN, xla=xla)
    # At step 25 the formula gives 0.735, so 0.7 is reached before.
    settings = ["model.layers.norm1.momentum=0.7"]
    limited, _ = train_network(data, *SETTINGS, *settings, FROZEN, xla=xla)

    warmup = [(1 + step) / (10 + step) for step in range(NUM_STEPS)]
    assert max(warmup) > 0.7
    for trained, momenta in (
        (network, warmup),
        (limited, [min(0.7, momentum) for momentum in warmup]),
    ):
        weights = trained.get_layer("hidden1").get_weights()[0]
        mean, variance = expected_averages(data, weights, momenta)
        norm = trained.get_layer("norm1")
        np.testing.assert_allclose(norm.moving_mean.numpy(), mean, atol=1e-5)
        np.testing.assert_allclose(norm.moving_variance.numpy(), variance, rtol=1e-4)


def test_without_the_warm_up_the_momentum_is_constant(data: Data) -> None:
    """The trainer of the other tests, which has a warm-up, is not used."""
    network, _ = train_network(data, *SETTINGS, "model.layers.norm1.momentum_warmup=false", FROZEN)
    weights = network.get_layer("hidden1").get_weights()[0]
    mean, _ = expected_averages(data, weights, [0.999] * NUM_STEPS)
    norm = network.get_layer("norm1")
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, atol=1e-6)


def test_the_trained_network_is_plain_keras(data: Data) -> None:
    network, _ = train_network(data, *SETTINGS)
    norm = network.get_layer("norm1")
    assert type(norm) is keras.layers.BatchNormalization
    assert norm.get_config()["momentum"] == 0.999
