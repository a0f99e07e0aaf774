"""Completion of choices and settings."""

from pathlib import Path

import pytest
from support import write_user_experiment

from mnistexp.config.completion import complete_override
from mnistexp.config.config import Config
from mnistexp.config.schema_tree import SchemaTree


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model=con", ["model=conv", "model=conv_batchnorm", "model=conv_big"]),
        ("optim=sgd,ada", ["optim=sgd,adam", "optim=sgd,adam_decay"]),
        ("optim/decay=c", ["optim/decay=cosine"]),
        ("lab=1_0", ["lab=1_0_softmax", "lab=1_0_softmax_long", "lab=1_0_softmax_text"]),
        ("mod", ["model=", "model."]),
        ("see", ["seed="]),
        ("train.ep", ["train.epochs="]),
        ("train.log_", ["train.log_every="]),
        ("train.early_stopping.", ["train.early_stopping.monitor="]),
        ("train.shuffle=", ["train.shuffle=every_epoch", "train.shuffle=once"]),
        ("tracking.log_model=", ["tracking.log_model=true", "tracking.log_model=false"]),
        (
            "train.restore_best_weights=v",
            ["train.restore_best_weights=val_loss", "train.restore_best_weights=val_accuracy"],
        ),
        ("model=conv_big model.layers.", ["model.layers.conv3.", "model.layers.dropout."]),
        ("lab=3_1_conv_big model.layers.dr", ["model.layers.dropout."]),
        ("model=conv_big model.layers.dropout.", ["model.layers.dropout.rate="]),
        ("model=two_layers model.activation=ta", ["model.activation=tanh"]),
        ("model=random_forest model.n", ["model.n_estimators="]),
        ("optim=adam optim.bet", ["optim.beta_1=", "optim.beta_2="]),
        ("optim/decay=cosine optim.decay.w", ["optim.decay.warmup_fraction="]),
        ("hydra.", ["hydra.sweeper.", "hydra.launcher."]),
        ("hydra/sweeper=optuna hydra.sweeper.n_", ["hydra.sweeper.n_trials="]),
        ("hydra/launcher=processes hydra.launcher.n", ["hydra.launcher.n_jobs="]),
        ("hydra/launcher=ray_cluster hydra.launcher.ray.i", ["hydra.launcher.ray.init."]),
        ("train.no_such", []),
        ("train.epochs=", []),  # A number: Tab must not choose null.
        ("tracking.reg", ["tracking.register="]),
    ],
)
def test_the_last_override_is_completed(line: str, expected: list[str]) -> None:
    *overrides, incomplete = line.split(" ")
    completions = complete_override(overrides, incomplete)
    assert set(expected) <= set(completions)
    assert all(text.startswith(incomplete) for text in completions)
    assert bool(completions) == bool(expected)


def test_only_the_settings_of_the_chosen_type_are_completed() -> None:
    assert "model.layers." not in complete_override(["model=random_forest"], "model.")
    assert "optim.beta_1=" not in complete_override(["optim=sgd"], "optim.")
    assert "optim.beta_1=" in complete_override(["optim=sgd", "optim=adam"], "optim.")


def test_every_setting_of_the_schema_is_completed() -> None:
    settings = list(SchemaTree(Config).setting_paths())
    sections = {text.rstrip("=.") for text in complete_override([], "")}
    assert {path for path in settings if "." not in path} <= sections
    for section in ("data", "device", "train", "sweep", "expect"):
        completed = {text.rstrip("=.") for text in complete_override([], f"{section}.")}
        assert completed == {p for p in settings if p.rpartition(".")[0] == section}


def test_an_experiment_in_the_working_folder_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_user_experiment(tmp_path, "mine", "defaults:\n  - override /model: conv_big\n")
    assert complete_override([], "user=") == ["user=mine"]
    assert "model.layers.conv3." in complete_override(["user=mine"], "model.layers.")
