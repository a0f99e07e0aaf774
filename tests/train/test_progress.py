"""The progress display without a terminal."""

from pathlib import Path

import pytest
from support import train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.experiment import RunResult, run_experiment


def run(*overrides: str) -> RunResult:
    return run_experiment(compose_config([*overrides, "tracking=none"])[0])


def test_an_epoch_can_be_shorter_than_a_batch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("train.epochs=5", "train.batch_size=5000", "data.train_size=2000")
    assert "epoch 5/5  step 2/2" in capsys.readouterr().out


def test_without_a_terminal_the_progress_is_one_line(
    data: Data, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    train_network(data, "train.steps=20")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    for part in ("epoch 1/1", "step 20/20", "loss", "val_accuracy", "lr 5.00e-01", "images/s"):
        assert part in lines[0]
