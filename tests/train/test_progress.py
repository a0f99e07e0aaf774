"""The progress display without a terminal."""

from pathlib import Path

import pytest
from support import train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.tables import fit_parts
from mnistexp.train import History, TrainConfig
from mnistexp.train.progress import FORMATS, format_metrics


def run(*overrides: str) -> RunResult:
    return run_experiment(compose_config([*overrides, "tracking=none"])[0])


def test_an_epoch_can_be_shorter_than_a_batch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("train.epochs=5", "train.batch_size=5000", "data.train_size=2000")
    assert "epoch 5/5  step 2/2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("num_images", "settings", "first", "last"),
    [
        (2050, {"epochs": 1}, "epoch 1/1", "epoch 1/1"),
        (2050, {"epochs": 2}, "epoch 1/2", "epoch 2/2"),
        (2050, {"steps": 22}, "epoch 1/2", "epoch 2/2"),
        (2000, {"epochs": 3}, "epoch 1/3", "epoch 3/3"),
        (30, {"epochs": 1}, "epoch 1/1", "epoch 1/1"),
        (30, {"steps": 2}, "epoch 3/6", "epoch 6/6"),
    ],
)
def test_epochs_are_counted_for_sizes_that_do_not_divide(
    num_images: int, settings: dict[str, int], first: str, last: str
) -> None:
    length = TrainConfig.model_validate({**settings, "batch_size": 100}).length(num_images)
    assert (length.epoch(1), length.epoch(length.num_steps)) == (first, last)


def test_without_a_terminal_the_progress_is_one_line(
    data: Data, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    train_network(data, "train.steps=20")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    for part in ("epoch 1/1", "step 20/20", "loss", "accuracy 0.", "val 0.", "lr 0."):
        assert part in lines[0]


def test_metrics_that_do_not_fit_into_a_line_are_left_out() -> None:
    history = History()
    history.record(dict.fromkeys(FORMATS, 0.98765) | {"images_per_second": 123456.7}, 10)
    parts = format_metrics(history)
    assert fit_parts(parts, 90).endswith("lr 0.9877  123,457 images/s")
    history.record({"learning_rate": 1000.0}, 20)
    assert "lr 1000" in format_metrics(history)
    assert fit_parts(parts, 40) == "loss 0.9877  accuracy 0.9877  val 0.9877"
