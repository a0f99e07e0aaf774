"""The plan of a grid, which a dry run prints."""

import re
from pathlib import Path
from statistics import mean

import pytest
from support import QUICK, Command
from sweep_store import FinishedGrid

DRY_RUN = "sweep.dry_run=true"


@pytest.mark.parametrize("option", ["-m", "--multirun"])
def test_the_option_of_a_sweep_may_be_between_settings(mnistexp: Command, option: str) -> None:
    result = mnistexp("train.steps=50", option, "seed=0,1", DRY_RUN)
    assert result.exit_code == 0, result.err
    assert "2 jobs, " in result.out


def test_a_dry_run_lists_the_jobs_and_creates_no_file(mnistexp: Command, tmp_path: Path) -> None:
    result = mnistexp("-m", "model=softmax,conv", "seed=0,1,2", "sweep.dry_run=true")
    assert result.exit_code == 0
    assert re.search(r"^conv +3 +3 +122,270", result.out, re.MULTILINE)
    assert re.search(r"^softmax +3 +3 +7,850", result.out, re.MULTILINE)
    assert "6 jobs, unknown time: the store has no similar run" in result.out
    assert list(tmp_path.iterdir()) == []


def test_the_expected_time_is_that_of_earlier_runs(
    finished_grid: FinishedGrid, mnistexp: Command
) -> None:
    uri = f"tracking.uri=sqlite:///{finished_grid.store.folder}/mlflow.db"
    dry_run = ["sweep.dry_run=true", uri, *QUICK]
    out = mnistexp("-m", "optim.learning_rate=0.3,0.4", *dry_run).out
    assert re.search(r"^0\.3 +1 +1 +7,850 +\d+\.\d", out, re.MULTILINE)
    assert re.search(r"2 jobs, about \d+ s", out)


def test_the_expected_time_follows_from_the_steps_of_runs_of_another_length(
    finished_grid: FinishedGrid, mnistexp: Command
) -> None:
    uri = f"sqlite:///{finished_grid.store.folder}/mlflow.db"
    longer = ["data.train_size=4000", "train.steps=20000", "tracking.figures=false"]
    out = mnistexp("-m", "model=softmax", "seed=5", *longer, f"tracking.uri={uri}", DRY_RUN).out
    runs = finished_grid.store.runs("params.model = 'softmax'")
    expected = mean(
        run.data.metrics["system/seconds"]
        - run.data.metrics["system/train_seconds"]
        + 20_000 * 100 / run.data.metrics["system/mean_images_per_second"]
        for run in runs
    )
    (seconds,) = re.findall(r"(\d+\.\d)$", out, re.MULTILINE)
    assert float(seconds) == pytest.approx(expected, abs=0.06)
    other_batch = mnistexp("-m", "train.batch_size=50", *longer, f"tracking.uri={uri}", DRY_RUN).out
    assert "the store has no similar run" in other_batch


def test_the_same_values_in_another_order_are_the_same_sweep(
    finished_grid: FinishedGrid, mnistexp: Command
) -> None:
    uri = f"tracking.uri=sqlite:///{finished_grid.store.folder}/mlflow.db"
    reordered = ["seed=1,0", "optim.learning_rate=0.2,0.1", "model=two_layers,softmax"]
    result = mnistexp("-m", *reordered, *QUICK, uri, "sweep.dry_run=true")
    assert "8 jobs, 8 finished earlier, 0 to run" in result.out


def test_an_interval_in_a_grid_is_refused(mnistexp: Command) -> None:
    result = mnistexp("-m", "optim.learning_rate=interval(0,1)")
    assert result.exit_code == 2
    assert result.err == (
        "error: optim.learning_rate: expected choices or range(start,stop,step) in a grid. "
        "Received: an interval, which hydra/sweeper=optuna can search\n"
    )
