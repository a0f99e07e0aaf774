"""Trainings of many kinds continue from the checkpoint of every step with the same result."""

from pathlib import Path

import pytest
from checkpoints import checkpoints_of_every_step, results
from support import train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.train import CheckpointFolder

pytestmark = pytest.mark.integration

STOPPING = ["train.early_stopping.patience=2", "train.restore_best_weights=val_loss"]


@pytest.mark.parametrize(
    "settings",
    [
        ["model=softmax", "optim=sgd"],
        ["model=five_layers_dropout", "optim=adam"],
        ["model=conv_batchnorm", "optim=momentum"],
        ["model=five_layers_batchnorm", "optim=nesterov", "train.shuffle=once"],
        ["model=two_layers", "optim=adam", "optim.learning_rate=0.05", *STOPPING],
        ["model=two_layers", "optim=adam", "optim/decay=one_cycle"],
        ["model=two_layers", "optim=adam", "optim.use_ema=true"],
    ],
    ids=lambda settings: "-".join(text.partition("=")[2] for text in settings),
)
@pytest.mark.parametrize("xla", [False, True], ids=["no_xla", "xla"])
def test_every_step_can_be_continued(settings: list[str], xla: bool, tmp_path: Path) -> None:
    if xla and "conv" in settings[0]:
        pytest.skip("XLA compiles convolutions for minutes")
    settings = [
        *("train.steps=10", "train.log_every=3", "train.evaluate_every=4", *settings),
        *("train.evaluate_on=[validation,test]", "data.train_size=250"),
        *("data.validation_size=100", "data.test_slice=[0,100]"),
    ]
    data = load_data(compose_config(settings)[0].data)
    expected = results(train_network(data, *settings, xla=xla))
    folder = CheckpointFolder(tmp_path)
    for start in checkpoints_of_every_step(data, folder, *settings, xla=xla):
        continued = train_network(data, *settings, xla=xla, start=start)
        assert results(continued) == expected, start.step
