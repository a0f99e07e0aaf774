"""A training that ends no better than guessing says so; one that diverges names the rate."""

import re

import numpy as np
import pytest
from support import FEW_STEPS, QUICK, Command

from mnistexp.config.compose import compose_config
from mnistexp.experiment.guessing import describe_rate, explain_guessing

LABELS = np.array([0, 0, 1, 2, 3] * 20)


@pytest.mark.parametrize(
    ("losses", "text"),
    [
        ([2.3, 2.31, 9.0, 2.4], "the training loss rose from 2.3 at step 10 to 9 at step 30. "),
        ([2.3, 2.3, 2.31, 2.3], "the training loss stayed at 2.3 until step 40. "),
        ([2.3, 2.2, 2.1, 2.0], "the training loss only fell to 2 until step 40. "),
    ],
)
def test_the_note_says_what_was_seen(losses: list[float], text: str) -> None:
    config = compose_config(["model=conv", "optim=sgd", "optim.learning_rate=0.5"])[0]
    train_loss = dict(zip([10, 20, 30, 40], losses, strict=True))
    note = explain_guessing(config, train_loss, 0.41, LABELS)
    assert note.startswith("the test accuracy 0.4100 is no better than guessing the most frequent ")
    assert text in note
    assert "Seen with sgd and optim.learning_rate=0.5. Try optim.learning_rate=0.05" in note


@pytest.mark.parametrize(
    ("losses", "text"),
    [
        (
            [900.0, 185.0],
            "the training loss was still 185 at step 20, 80.3 times that of guessing. ",
        ),
        ([2.3026, 2.3026], "the training loss stayed at 2.3 until step 20. "),
        ([2.3, 2.6e10], "the training loss rose from 2.3 at step 10 to 2.6e+10 at step 20. "),
        ([2.3, 2.2], ""),
    ],
)
def test_a_loss_of_guessing_is_noted_if_the_accuracy_is_low(losses: list[float], text: str) -> None:
    config = compose_config([])[0]
    train_loss = dict(zip([10, 20], losses, strict=True))
    note = explain_guessing(config, train_loss, 0.43, LABELS)
    assert text in note
    assert bool(note) == bool(text)


@pytest.mark.parametrize(("loss", "is_noted"), [(297.0, True), (5.0, True), (4.0, False)])
def test_a_loss_far_above_that_of_guessing_is_noted_at_any_accuracy(
    loss: float, is_noted: bool
) -> None:
    # A high accuracy is no excuse: the network gives the wrong digits a probability of about 0, so
    # its probabilities, calibration and loss are useless. A loss of up to twice that of guessing
    # is not noted, because a single batch, which is what is logged, may have it by chance.
    config = compose_config(["optim.learning_rate=1000"])[0]
    note = explain_guessing(config, {10: 3000.0, 20: loss}, 0.9, LABELS)
    assert bool(note) == is_noted
    if is_noted:
        assert note.startswith("the test accuracy is 0.9000, but the training loss is far above ")
        times = f"{loss / np.log(10):.3g} times that of guessing"
        assert f"was still {loss:.3g} at step 20, {times}. Seen with sgd and" in note
        assert "Try optim.learning_rate=0.5" in note


@pytest.mark.parametrize(
    ("overrides", "rate"),
    [
        ("model=conv optim=sgd", "0.005"),
        ("model=conv optim=sgd optim.learning_rate=1e-6", "0.05"),
        ("optim=keras optim.learning_rate=3.0", "0.001"),
    ],
)
def test_another_learning_rate_is_proposed(overrides: str, rate: str) -> None:
    config = compose_config(overrides.split())[0]
    assert describe_rate(config).endswith(f"Try optim.learning_rate={rate}")


def test_a_run_that_guesses_says_so_and_is_tagged(mnistexp: Command) -> None:
    import mlflow

    result = mnistexp(*QUICK, "model=two_layers", "optim.learning_rate=1e-8")
    assert result.exit_code == 0
    note = re.search(r"^note: (the test accuracy .* no better than guessing.*)$", result.out, re.M)
    assert note, result.out
    assert "Seen with adam and optim.learning_rate=1e-08. Try optim.learning_rate=0.001" in note[1]
    (run,) = mlflow.MlflowClient("sqlite:///mlflow.db").search_runs(["1"])
    assert run.data.tags["note"] == note[1]


def test_a_divergence_names_the_optimizer_and_the_rate(mnistexp: Command) -> None:
    arguments = ["model=linear", "optim=sgd", "optim.learning_rate=5.0", "tracking=none"]
    result = mnistexp(*FEW_STEPS, *arguments)
    assert result.exit_code == 1
    assert re.search(r"became (nan|inf) at step \d+: the output of layer", result.err)
    ways = "optim.learning_rate=0.05, optim.global_clipnorm=1.0 or another model.kernel_initializer"
    assert f"Seen with sgd and optim.learning_rate=5. Try {ways}\n" in result.err
    assert result.err.count("Try ") == 1
