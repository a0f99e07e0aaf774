"""Every experiment file runs, has a complete header, and reproduces its source."""

import re

import numpy as np
import pytest
from support import Command, network_config, train_untracked

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups, package_folder
from mnistexp.model import NetworkConfig, build_model

EXPERIMENTS = [
    f"{group}={name}" for group in EXPERIMENT_GROUPS for name in list_groups().get(group, [])
]
ON_DIGITS = [name for name in EXPERIMENTS if not name.startswith("fashion_mnist=")]

EQUAL_BUT_FOR_NUMBERS = {
    *("lab=1_0_softmax_long", "lab=1_0_softmax_text"),
    *("lab=2_1_five_layers_relu_decay_old", "lab=2_1_five_layers_relu_low_rate"),
    *("lab=3_1_conv_big_constant_rate", "lab=4_0_batchnorm_sigmoid_old"),
    *("failure_modes=high_learning_rate", "failure_modes=overfitting", "practical=1_softmax"),
    *("tutorial=linear_code_middle", "tutorial=linear_text_first", "tutorial=linear_text_last"),
    *("tutorial=linear_text_middle", "tutorial=linear_dropout_text_first"),
    *("tutorial=linear_dropout_text_last", "tutorial=linear_dropout_text_middle"),
}
"""Experiments whose training differs from another one only in values, such as the rate."""


def config_of(experiment: str, *overrides: str) -> Config:
    return compose_config([experiment, *overrides])[0]


@pytest.mark.parametrize("experiment", [e for e in ON_DIGITS if e not in EQUAL_BUT_FOR_NUMBERS])
def test_each_kind_of_experiment_on_digits_runs_two_steps(experiment: str) -> None:
    small = ["data.train_size=600", "data.test_slice=[0,200]"]
    if not experiment.startswith("record="):  # They read test images only without validation.
        small.append("data.validation_size=200")
    small += ["dashboard=off"]  # Drawing the panels takes longer than two steps.
    if experiment == "tutorial=gradient_boosting":
        small += ["model.max_iter=2"]
    if not config_of(experiment).unused_sections:
        small += ["train.epochs=null", "train.steps=2"]
    result = train_untracked(experiment, *small)
    assert np.isfinite(result.metrics["test_loss"])
    assert result.expectation_result == "not judged"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_file_starts_with_its_command_time_expectation_and_source(experiment: str) -> None:
    group, name = experiment.split("=")
    text = (package_folder("experiments") / group / f"{name}.yaml").read_text()
    header = text.partition("defaults:")[0]
    assert f"#   mnistexp {experiment}\n" in header
    assert re.search(r"# Time on 2 cores: \d+ (s|min)( for 60 epochs)?\. Expected: ", header)
    assert "# Source: " in header
    expect = config_of(experiment).expect
    assert expect is not None
    if expect.test_accuracy is not None:
        assert "Expected: test accuracy {} to {}.".format(*expect.test_accuracy) in header


@pytest.mark.parametrize(
    ("experiment", "parameters"),
    [
        ("lab=1_0_softmax", 7_850),
        ("lab=2_0_five_layers_sigmoid", 185_300),
        ("lab=2_2_five_layers_dropout", 185_300),
        ("lab=3_0_conv", 122_270),
        ("lab=3_1_conv_big_dropout", 244_076),
        # Hidden weights without biases; an offset and a scale for each hidden neuron; the logits.
        ("lab=4_0_batchnorm_sigmoid_2018", 784 * 200 + 20_000 + 6_000 + 1_800 + 2 * 390 + 310),
        ("lab=4_1_batchnorm_relu_old", 784 * 200 + 20_000 + 6_000 + 1_800 + 390 + 310),
        ("tutorial=linear", 567_434),
        ("practical=3_five_layers_relu", 185_300),
        ("practical=5_conv", 244_076),
        ("fashion_mnist=7_conv_batchnorm", 708_362),
        ("record=small", 9 * 10 + 9 * 120 + 9 * 192 + 2 * 9 * 256 + 2 * 70 + 16 * 10 + 10),
        ("record=fast", 25 * 16 + 25 * 512 + 9 * 2048 + 2 * 112 + 576 * 10 + 10),
        ("record=single", 244_522),
        ("notebook=02_dense", 157_000 + 12_000 + 60 + 610),
        ("notebook=03_dense_dropout_decay", 157_000 + 20_000 + 100 + 6_000 + 60 + 610),
    ],
)
def test_networks_have_the_parameters_of_their_source(experiment: str, parameters: int) -> None:
    network = build_model(network_config(experiment))
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == parameters


def test_settings_of_the_lab_equal_those_of_its_source() -> None:
    config = config_of("lab=2_1_five_layers_relu_decay")
    assert (config.data.validation_size, config.data.scale) == (0, 256.0)
    assert (config.train.steps, config.train.batch_size) == (10_000, 100)
    assert config.train.shuffle == "once"
    assert (str(config.train.log_every), str(config.train.evaluate_every)) == (
        "20 steps",
        "100 steps",
    )
    assert config.train.evaluate_early
    assert config.train.evaluate_at_start
    assert not config_of("lab=3_1_conv_big").train.evaluate_early
    assert config.optim.learning_rate == 0.0031
    model = config.model
    assert isinstance(model, NetworkConfig)
    hidden, logits = model.layers["hidden1"], model.layers["logits"]
    assert hidden is not None
    assert logits is not None
    assert (hidden.bias_initializer, logits.bias_initializer) == (0.1, "zeros")  # type: ignore[union-attr]


def test_batch_normalization_of_the_lab_equals_that_of_its_source() -> None:
    expected = {
        "4_0_batchnorm_sigmoid_old": (0.998, True, 0.0),
        "4_0_batchnorm_sigmoid_2018": (0.998, True, 0.0),
        "4_1_batchnorm_relu_old": (0.998, False, 0.1),
        "4_1_batchnorm_relu_2018": (0.999, False, 0.1),
        "4_2_batchnorm_conv_old": (0.999, False, 0.01),
        "4_2_batchnorm_conv_2018": (0.999, False, 0.1),
    }
    for name, values in expected.items():
        model = network_config(f"lab={name}")
        assert model.momentum_warmup == {"norm1", "norm2", "norm3", "norm4"}
        network = build_model(model)
        for number in (1, 2, 3, 4):
            norm = network.get_layer(f"norm{number}")
            assert (norm.momentum, norm.scale) == values[:2]
            assert norm.epsilon == 1e-5
            np.testing.assert_allclose(norm.beta.numpy(), values[2])
            order = [layer.name for layer in network.layers]
            assert order.index(f"norm{number}") == order.index(f"activation{number}") - 1


@pytest.mark.parametrize(
    ("experiment", "old_rate", "rate_of_2018"),
    [
        ("2_1_five_layers_relu_decay", 0.003, 0.0031),
        ("4_0_batchnorm_sigmoid", 0.03, 0.0301),
        ("4_1_batchnorm_relu", 0.03, 0.0301),
        ("4_2_batchnorm_conv", 0.02, 0.0201),
    ],
)
def test_the_older_scripts_shuffle_in_every_epoch_and_divide_by_255(
    experiment: str, old_rate: float, rate_of_2018: float
) -> None:
    of_2018 = experiment if experiment.startswith("2_1") else f"{experiment}_2018"
    for name, shuffle, scale, rate in (
        (f"{experiment}_old", "every_epoch", 255.0, old_rate),
        (of_2018, "once", 256.0, rate_of_2018),
    ):
        config = config_of(f"lab={name}")
        assert (config.train.shuffle, config.data.scale) == (shuffle, scale)
        assert config.optim.learning_rate == rate


def test_the_notebooks_equal_their_source() -> None:
    for name in list_groups()["notebook"]:
        config = config_of(f"notebook={name}")
        assert config.data.scale == 256.0
        assert not network_config(f"notebook={name}").momentum_warmup
    rates = {"03_dense_dropout_decay": 0.6, "04_conv": 0.6, "05_conv_batchnorm": 0.666}
    for name, rate in rates.items():
        assert config_of(f"notebook={name}").optim.decay.rate == rate  # type: ignore[union-attr]


def test_the_practical_has_dropout_before_every_dense_layer() -> None:
    network = build_model(network_config("practical=4_five_layers_dropout"))
    names = [layer.name for layer in network.layers]
    for number, dense in enumerate(("hidden1", "hidden2", "hidden3", "hidden4", "logits")):
        assert names[names.index(dense) - 1] == f"dropout{number}"


def test_an_experiment_with_altered_settings_is_not_judged(mnistexp: Command) -> None:
    out = mnistexp("lab=1_0_softmax", "train.steps=10", "seed=3", "device=cpu").out
    assert re.search(r"^expected .*: not judged, because of train.steps$", out, re.MULTILINE)


def test_a_deep_network_with_zero_weights_stays_at_an_accuracy_of_a_tenth() -> None:
    result = train_untracked("failure_modes=zero_weights", "train.steps=300")
    assert result.metrics["test_accuracy"] == pytest.approx(0.1, abs=0.02)
    assert result.history.last("train_loss") == pytest.approx(np.log(10), abs=0.02)
