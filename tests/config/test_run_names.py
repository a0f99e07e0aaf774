"""The default names of runs."""

import re
from itertools import permutations
from pathlib import Path

import numpy as np
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
        (["train=lab", "data=fashion_mnist"], "softmax-sgd-fashion_mnist-train=lab-s0"),
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
            "softmax-sgd-test_slice=0,10-train_size=100-learning_rate=0.1-batch_size=50-+2-s0",
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
    name = "softmax-sgd-mnist_60000-momentum=0.9-nesterov=true-batch_size=50-epochs=2-s0"
    assert source.run_name(config, varying) == name


def test_equal_settings_in_another_order_have_the_same_name() -> None:
    overrides = ["train.epochs=2", "optim.learning_rate=0.1", "data=fashion_mnist"]
    composed = [compose_config(list(order)) for order in permutations(overrides)]
    names = {source.run_name(config) for config, source in composed}
    assert names == {"softmax-sgd-fashion_mnist-learning_rate=0.1-epochs=2-s0"}


@pytest.mark.parametrize(
    ("start", "name"),
    [
        ([], "softmax-sgd-shapes-s0"),
        (["lab=3_0_conv"], "lab.3_0_conv-shapes-s0"),
        (["data.name=forms", "train.epochs=3"], "softmax-sgd-forms-epochs=3-s0"),
    ],
)
def test_data_of_ones_own_is_named_and_counts_as_a_choice(
    tmp_path: Path, start: list[str], name: str
) -> None:
    images = np.zeros((40, 28, 28), "u1")
    labels = np.arange(40) % 2
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "shapes.npz", **arrays)  # type: ignore[arg-type]
    overrides = [*start, f"data.directory={tmp_path}/shapes.npz"]
    config, source = compose_config(overrides)
    assert source.run_name(config) == name
    assert source.used_choices(config)["data"] == config.data.name


def test_a_choice_that_the_model_does_not_use_is_not_named() -> None:
    config, source = compose_config(["model=random_forest", "optim=adam"])
    assert source.run_name(config) == "random_forest-s0"


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
