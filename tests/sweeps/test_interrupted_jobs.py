"""A sweep or a search that is started again goes on inside the job that was interrupted."""

from pathlib import Path

import pytest
from support import Command, interrupt_after_first_checkpoint
from sweep_store import Store

from mnistexp.train import CheckpointFolder

SETTINGS = (
    *("data.train_size=500", "data.validation_size=100", "train.steps=40", "train.log_every=10"),
    *("train.checkpoint_every=15", "tracking.figures=false", "tracking.log_model=false"),
)
SWEEP = ("-m", "seed=0,1", *SETTINGS)
SEARCH = (
    *("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "hydra.sweeper.pruner=median"),
    *("optim.learning_rate=interval(0.1,0.2)", *SETTINGS),
)


def interrupted(mnistexp: Command, *arguments: str) -> None:
    """Start a sweep; Ctrl-C ends it when the first checkpoint of its first job is written."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after_first_checkpoint(patch)
        assert mnistexp(*arguments).exit_code == 130


def test_a_sweep_continues_the_interrupted_job(mnistexp: Command, store: Store) -> None:
    interrupted(mnistexp, *SWEEP)
    (cut,) = store.children()
    assert cut.info.status == "KILLED"
    result = mnistexp(*SWEEP)
    assert result.exit_code == 0, result.err
    assert "continuing after step 15 of 40" in result.out
    finished, other = store.children()
    assert finished.info.run_id == cut.info.run_id
    assert [run.info.status for run in (finished, other)] == ["FINISHED", "FINISHED"]
    losses = store.client.get_metric_history(cut.info.run_id, "train_loss")
    assert [point.step for point in losses] == list(range(5, 41, 5))

    assert mnistexp(*SETTINGS, "seed=0").exit_code == 0
    single = store.runs()[-1]
    assert single.info.run_id not in (finished.info.run_id, other.info.run_id)
    for tag in ("weights_sha256", "config_hash"):
        assert finished.data.tags[tag] == single.data.tags[tag]


def test_a_search_continues_the_interrupted_trial(mnistexp: Command, store: Store) -> None:
    interrupted(mnistexp, *SEARCH)
    (cut,) = store.children()
    result = mnistexp(*SEARCH)
    assert result.exit_code == 0, result.err
    assert "continuing after step 15 of 40" in result.out
    (finished,) = store.children()
    assert finished.info.run_id == cut.info.run_id
    assert finished.info.status == "FINISHED"


def test_a_job_whose_checkpoints_are_all_damaged_starts_again(
    mnistexp: Command, store: Store
) -> None:
    interrupted(mnistexp, *SWEEP)
    (cut,) = store.children()
    folder = CheckpointFolder(Path(cut.data.tags["checkpoints"]))
    for file in folder.path.iterdir():
        file.write_bytes(b"damaged")
    result = mnistexp(*SWEEP)
    assert result.exit_code == 0, result.err
    assert "It starts again" in result.out
    assert [run.info.status for run in store.children()] == ["KILLED", "FINISHED", "FINISHED"]
