"""The optimizer that a model brings, and the learning rate that an optimizer brings."""

from pathlib import Path

import pytest
from support import write_user_experiment

from mnistexp.config.compose import compose_config

FIVE_LAYERS = "defaults: [override /model: five_layers]\n"


@pytest.mark.parametrize(
    ("overrides", "name", "learning_rate"),
    [
        ("model=softmax", "sgd", 0.5),
        ("model=conv", "adam", 0.001),
        ("model=softmax optim=adam_decay", "adam", 0.0031),
        ("model=conv optim=sgd", "sgd", 0.05),
        ("model=softmax optim=momentum", "sgd", 0.05),
        ("model=conv optim=nesterov", "sgd", 0.005),
        ("optim/decay=cosine", "sgd", 0.5),
        ("optim.type=adam", "adam", 0.001),
        ("optim.type=adam optim.learning_rate=0.02", "adam", 0.02),
        ("model=conv optim.type=sgd optim.momentum=0.8", "sgd", 0.01),
        ("optim=keras", "Nadam", 0.001),
        ("optim=keras optim.class_name=Lion", "Lion", 0.0003),
        ("optim=keras optim.class_name=SGD model=conv", "SGD", 0.05),
        ("lab=1_0_softmax_text", "sgd", 0.3),
        ("lab=1_0_softmax_text model=conv", "sgd", 0.3),
        ("lab=1_0_softmax_text optim=rmsprop", "rmsprop", 0.001),
        ("lab=1_0_softmax_text optim=adam_onecycle", "adam", 0.01),
    ],
)
def test_the_optimizer_and_its_learning_rate(
    overrides: str, name: str, learning_rate: float
) -> None:
    optim = compose_config(overrides.split())[0].optim
    assert getattr(optim, "class_name", optim.type) == name
    assert optim.learning_rate == learning_rate


def test_an_experiment_of_the_user_gets_the_optimizer_of_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_user_experiment(tmp_path, "plain", FIVE_LAYERS)
    write_user_experiment(tmp_path, "high", FIVE_LAYERS + "optim: {learning_rate: 0.01}\n")
    found = [compose_config([f"user={name}"])[0].optim for name in ("plain", "high")]
    assert [(optim.type, optim.learning_rate) for optim in found] == [
        ("adam", 0.001),
        ("adam", 0.01),
    ]


@pytest.mark.parametrize(
    ("overrides", "origin"),
    [
        ("model=conv optim.learning_rate=0.1", "the default of model=conv"),
        ("model=conv optim=adam", ""),
        ("optim.type=adam", ""),
        ("lab=3_0_conv", ""),
        ("model=random_forest", ""),
    ],
)
def test_the_origin_of_an_optimizer_that_was_not_chosen(overrides: str, origin: str) -> None:
    config, source = compose_config(overrides.split())
    assert source.optimizer_origin(config) == origin
