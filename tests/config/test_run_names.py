"""The default names of runs."""

import re

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.run_names import format_text, format_value, short_names


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "softmax-sgd-s0"),
        (["model=conv_big", "optim=adam_decay", "seed=3"], "conv_big-adam_decay-s3"),
        (["data=mnist_60000", "train.evaluate_on=[test]"], "softmax-sgd-mnist_60000-s0"),
        (["optim.learning_rate=0.0131302802806"], "softmax-sgd-learning_rate=0.01313-s0"),
        (["optim/decay=cosine", "train.epochs=2"], "softmax-sgd-cosine-epochs=2-s0"),
        (["lab=3_0_conv", "train.steps=9"], "lab.3_0_conv-steps=9-s0"),
        (["lab=3_0_conv", "optim=adam"], "lab.3_0_conv-adam-s0"),
        (["train=lab", "data=fashion_mnist"], "softmax-sgd-train=lab-fashion_mnist-s0"),
        (["data=mnist", "device.xla=on", "tracking.figures=false"], "softmax-sgd-s0"),
        (["train.epochs=1", "train.epochs=2"], "softmax-sgd-epochs=2-s0"),
        (["model=two_layers", "~model.layers.hidden1"], "two_layers-adam-no_hidden1-s0"),
        (
            ["+model.layers.extra={type: dropout, rate: 0.2, after: flatten}"],
            "softmax-sgd-extra=dropout-s0",
        ),
        (["model=random_forest", "model.n_estimators=9"], "random_forest-n_estimators=9-s0"),
        (
            [f"train.{name}" for name in ("epochs=2", "batch_size=50", "shuffle=once")]
            + ["data.test_slice=[0, 10]", "data.train_size=100", "optim.learning_rate=0.1"],
            "softmax-sgd-epochs=2-batch_size=50-shuffle=once-test_slice=0,10-+2-s0",
        ),
    ],
)
def test_a_name_says_what_was_chosen_and_what_was_changed(overrides: list[str], name: str) -> None:
    config, source = compose_config(overrides)
    assert source.run_name(config).endswith(name)
    assert re.fullmatch(r"[\w.=,:+-]+", source.run_name(config))  # No quotes in a shell.


def test_the_run_of_a_sweep_names_the_data_set_and_all_that_varies() -> None:
    varying = ["train.epochs", "train.batch_size", "optim.momentum", "optim.nesterov", "seed"]
    overrides = ["train.epochs=2", "train.batch_size=50", "optim.momentum=0.9", "data.train_size=9"]
    overrides += ["optim.nesterov=true", "data=mnist_60000", "train.evaluate_on=[test]"]
    config, source = compose_config(overrides)
    name = "softmax-sgd-epochs=2-batch_size=50-momentum=0.9-nesterov=true-mnist_60000-s0"
    assert source.run_name(config, varying) == name


def test_short_names_are_the_shortest_endings_that_are_unique() -> None:
    paths = ["model.layers.hidden1.units", "model.layers.hidden2.units", "optim.learning_rate"]
    assert list(short_names(paths).values()) == ["hidden1.units", "hidden2.units", "learning_rate"]
    vague = ["train.target.value", "train.early_stopping.monitor", "train.early_stopping.patience"]
    assert list(short_names(vague).values()) == [path.removeprefix("train.") for path in vague]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.013130280280658591", "0.01313"),
        ("1.2345678e-05", "1.235e-05"),
        ("0.001", "0.001"),
        ("a_long_name_of_a_model", "a_long_name_of_a_model"),
    ],
)
def test_long_numbers_are_shortened(value: str, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{type: dropout, rate: 0.5}", "dropout"),
        ("{rate: 0.5,'type':dropout}", "dropout"),
        ("{rate: 0.5}", "changed"),
        ("{nested: {type: dropout}}", "changed"),
        ("[0, 10]", "0,10"),
    ],
)
def test_of_a_mapping_only_the_type_is_named(value: str, text: str) -> None:
    assert format_text(value) == text
