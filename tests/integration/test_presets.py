"""Every network preset with every optimizer preset, and with its own optimizer on the real data."""

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.data import load_data
from mnistexp.learner import build_learner
from mnistexp.model import NetworkConfig

OPTIONS = list_groups()
NETWORKS = [
    name
    for name in OPTIONS["model"]
    if isinstance(compose_config([f"model={name}"])[0].model, NetworkConfig)
]


@pytest.mark.integration
@pytest.mark.parametrize("optimizer", OPTIONS["optim"])
@pytest.mark.parametrize("network", NETWORKS)
def test_no_optimizer_preset_diverges(network: str, optimizer: str) -> None:
    # Without XLA, which would compile each of these short trainings for seconds.
    overrides = ["train.steps=40", "train.log_every=10", "train.evaluate_on=[]", "device.xla=off"]
    config, _ = compose_config([f"model={network}", f"optim={optimizer}", *overrides])
    data = load_data(config.data)
    training = build_learner(config, data).fit(data, lambda metrics, step: None)
    losses = list(training.history["train_loss"].values())
    assert losses[-1] < losses[0]


@pytest.mark.soak
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_trains_well_in_one_epoch_with_its_own_optimizer(network: str) -> None:
    config, _ = compose_config([f"model={network}", "train.epochs=1"])
    data = load_data(config.data)
    training = build_learner(config, data).fit(data, lambda metrics, step: None)
    accuracy = training.history.last("val_accuracy")
    # A linear classifier reaches about 0.92. Networks with batch normalization are evaluated with
    # moving averages that are still behind after one epoch.
    assert accuracy is not None
    assert accuracy > 0.89
