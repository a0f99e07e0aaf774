"""Searches in several processes, and a search that is killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState
from support import Command
from sweep_store import Store, states_of, study_in

pytestmark = pytest.mark.integration

SEARCH = ["-m", "hydra/sweeper=optuna", "data.train_size=1000", "train.epochs=2"]
SEARCH += ["tracking.figures=false", "tracking.log_model=false"]
RATE = "optim.learning_rate=tag(log,interval(1e-3,1))"


def test_trials_run_in_parallel_through_a_launcher(mnistexp: Command, tmp_path: Path) -> None:
    # A study whose path has the special characters of Hydra's grammar.
    storage = tmp_path / "a $b's, {c}"
    storage.mkdir()
    parallel = ["hydra/launcher=processes", "hydra.sweeper.n_jobs=2", RATE]
    limits = ["hydra.sweeper.n_trials=4", "hydra.sweeper.pruner=median"]
    result = mnistexp(*SEARCH, *parallel, *limits, f'hydra.sweeper.storage="{storage}/studies.log"')
    assert result.exit_code == 0, result.err
    assert states_of(study_in(storage)) == ["COMPLETE"] * 4


def test_a_killed_search_continues_with_its_numbers_and_budget(tmp_path: Path) -> None:
    slow = ["-m", "hydra/sweeper=optuna", "model=conv", "data.train_size=1000", "train.steps=100"]
    command = [sys.executable, "-m", "mnistexp", *slow, RATE, "hydra.sweeper.n_trials=5"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if (tmp_path / "studies.log").exists() and len(study_in(tmp_path).trials) >= 3:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    interrupted = [t for t in study_in(tmp_path).trials if t.state == TrialState.RUNNING]
    assert len(interrupted) == 1

    repeated = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert repeated.returncode == 0, repeated.stderr
    trials = study_in(tmp_path).trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4, 5]
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) == 5
    assert trials[interrupted[0].number].state == TrialState.FAIL
    assert interrupted[0].params in [t.params for t in trials if t.state == TrialState.COMPLETE]
    assert Store(tmp_path).sweep().info.status == "FINISHED"
