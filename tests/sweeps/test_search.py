"""Searches by Optuna: what is proposed, pruned, tolerated, resumed and kept."""

import io
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from support import Command

from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash

SEARCH = ["-m", "hydra/sweeper=optuna", "data.train_size=1000", "train.epochs=2"]
SEARCH += ["tracking.figures=false"]
RATE = "optim.learning_rate=tag(log,interval(1e-3,1))"


def study_in(folder: Path) -> optuna.Study:
    """The only study of the folder, as Optuna itself reads it."""
    storage = JournalStorage(JournalFileBackend(str(folder / "studies.log")))
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage)


def client_of(folder: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")


def the_sweep(folder: Path) -> mlflow.entities.Run:
    (sweep,) = client_of(folder).search_runs(["1"], "tags.kind = 'sweep'")
    return sweep


def text(run: mlflow.entities.Run, path: str) -> str:
    return (Path(run.info.artifact_uri.removeprefix("file://")) / path).read_text()


def test_a_search_tries_what_optuna_proposes(mnistexp: Command, tmp_path: Path) -> None:
    words = [*SEARCH, RATE, "optim=sgd,adam", "hydra.sweeper.n_trials=4"]
    outcome = mnistexp(*words)
    assert outcome.exit_code == 0, outcome.err
    study = study_in(tmp_path)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    for trial in study.trials:
        run = client_of(tmp_path).get_run(trial.user_attrs["run_id"])
        assert float(run.data.params["optim.learning_rate"]) == trial.params["optim.learning_rate"]
        assert run.data.params["optim"] == trial.params["optim"]
        assert trial.value == run.data.metrics["val_accuracy"]
        assert run.data.tags["mlflow.parentRunId"] == the_sweep(tmp_path).info.run_id

    sweep = the_sweep(tmp_path)
    artifacts = {file.path for file in client_of(tmp_path).list_artifacts(sweep.info.run_id)}
    assert {"best.yaml", "leaderboard.csv", "trials.csv", "study", "curves"} <= artifacts
    assert {f.path for f in client_of(tmp_path).list_artifacts(sweep.info.run_id, "study")} == {
        f"study/{name}_val_accuracy.png"
        for name in ("history", "importance", "parallel_coordinates")
    }
    best = client_of(tmp_path).get_run(study.best_trial.user_attrs["run_id"])
    assert sweep.data.tags["best_run_id"] == best.info.run_id
    (tmp_path / "experiments" / "user").mkdir(parents=True)
    (tmp_path / "experiments" / "user" / "best.yaml").write_text(text(sweep, "best.yaml"))
    digest = re.findall(r"[0-9a-f]{64}", best.inputs.dataset_inputs[0].dataset.source)[0]
    assert config_hash(compose_config(["user=best"])[0], digest) == best.data.tags["config_hash"]

    # The same command has nothing left to do; more trials go on with the numbers.
    assert "4 trials finished earlier, 0 trials to run" in mnistexp(*words).out
    mnistexp(*words[:-1], "hydra.sweeper.n_trials=6")
    assert [trial.number for trial in study_in(tmp_path).trials] == [0, 1, 2, 3, 4, 5]
    table = pd.read_csv(io.StringIO(text(the_sweep(tmp_path), "leaderboard.csv")))
    assert len(table) == 6
    rates = [trial.params["optim.learning_rate"] for trial in study_in(tmp_path).trials]
    assert len(set(rates)) == 6  # A call that goes on does not propose the same again.


def test_hopeless_trials_are_pruned_and_save_steps(mnistexp: Command, tmp_path: Path) -> None:
    words = ["hydra.sweeper.pruner=median", "hydra.sweeper.n_trials=9"]
    words += ["hydra.sweeper.sampler=grid", "train.evaluate_every=2 steps"]
    # Five good ones first: the median needs them.
    rates = "optim.learning_rate=0.5,0.4,0.3,0.2,0.6,1e-4,2e-4,3e-4,4e-4"
    outcome = mnistexp(*SEARCH, rates, *words)
    assert outcome.exit_code == 0, outcome.err
    assert "pruned: pruned at step" in outcome.out
    pruned = [t for t in study_in(tmp_path).trials if t.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        where = f"tags.config_hash = '{trial.user_attrs['config_hash']}'"
        (run,) = client_of(tmp_path).search_runs(["1"], where)
        assert run.info.status == "KILLED"
        assert run.data.tags["pruned"] == "true"
        assert "is worse than that of other trials" in run.data.tags["reason"]
        steps = client_of(tmp_path).get_metric_history(run.info.run_id, "val_accuracy")
        assert max(value.step for value in steps) < 20
        assert trial.last_step == max(value.step for value in steps)
    assert the_sweep(tmp_path).data.metrics["num_pruned"] == len(pruned)


def test_trials_that_diverge_are_failed_and_the_search_goes_on(
    mnistexp: Command, tmp_path: Path
) -> None:
    words = ["hydra.sweeper.sampler=grid", "model=two_layers", "optim.learning_rate=1e30,0.1,1e29"]
    outcome = mnistexp(*SEARCH, *words)
    assert outcome.exit_code == 0, outcome.err
    states = sorted(trial.state.name for trial in study_in(tmp_path).trials)
    assert states == ["COMPLETE", "FAIL", "FAIL"]
    assert the_sweep(tmp_path).data.metrics["num_failed"] == 2


def test_several_objectives_have_a_pareto_front(mnistexp: Command, tmp_path: Path) -> None:
    words = ["model=two_layers", "model.layers.hidden1.units=range(5,50,5)"]
    words += ["hydra.sweeper.objective=[val_accuracy,num_parameters]", "hydra.sweeper.n_trials=5"]
    outcome = mnistexp(*SEARCH, *words)
    assert outcome.exit_code == 0, outcome.err
    study = study_in(tmp_path)
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert "Pareto front of val_accuracy and num_parameters:" in outcome.out
    assert outcome.out.count("  trial ") == len(study.best_trials)
    sweep = the_sweep(tmp_path)
    names = {f.path for f in client_of(tmp_path).list_artifacts(sweep.info.run_id, "study")}
    assert "study/pareto_front.png" in names
    assert "best_run_id" not in sweep.data.tags


def test_several_trials_at_once_through_a_launcher(mnistexp: Command, tmp_path: Path) -> None:
    words = ["hydra/launcher=processes", "hydra.sweeper.n_jobs=2", RATE]
    outcome = mnistexp(*SEARCH, *words, "hydra.sweeper.n_trials=4", "hydra.sweeper.pruner=median")
    assert outcome.exit_code == 0, outcome.err
    assert [trial.state for trial in study_in(tmp_path).trials] == [TrialState.COMPLETE] * 4


def test_a_search_ends_after_its_minutes(mnistexp: Command, tmp_path: Path) -> None:
    words = [RATE, "hydra.sweeper.n_trials=null", "hydra.sweeper.timeout_minutes=0.05"]
    outcome = mnistexp(*SEARCH, *words)
    assert outcome.exit_code == 0, outcome.err
    assert "at most 0.05 minutes" in outcome.out
    assert study_in(tmp_path).trials


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([RATE, "hydra.sweeper.objective=test_accuracy"], "allow_test_objective=true"),
        ([RATE, "hydra.sweeper.objective=val_acuracy"], "Did you mean val_accuracy"),
        ([RATE, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials: expected a number > 0"),
        ([RATE, "hydra.sweeper.sampler=tpa"], "Did you mean tpe"),
        ([RATE, "hydra.sweeper.sampler=grid"], "optim.learning_rate: expected choices or range"),
        (["seed=0"], "expected at least one setting to search"),
        (["model.layers.logits.units=interval(5,10)"], "expected a whole number"),
        (["optim.learning_rate=interval(-1,1)"], "expected a number > 0"),
        ([RATE, "train.evaluate_on=[]", "hydra.sweeper.pruner=median"], "train.evaluate_on=[]"),
        (
            [RATE, "hydra.sweeper.objective=[val_loss,seconds]", "hydra.sweeper.pruner=median"],
            "trials with several objectives",
        ),
    ],
)
def test_a_search_that_cannot_work_is_refused_before_anything_trains(
    mnistexp: Command, tmp_path: Path, words: list[str], complaint: str
) -> None:
    outcome = mnistexp(*SEARCH, *words)
    assert outcome.exit_code == 2
    assert complaint in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.integration
def test_a_search_that_is_killed_goes_on_with_its_numbers_and_budget(tmp_path: Path) -> None:
    slow = ["-m", "hydra/sweeper=optuna", "model=conv", "data.train_size=1000", "train.steps=100"]
    words = [*slow, RATE, "hydra.sweeper.n_trials=5"]
    command = [sys.executable, "-m", "mnistexp", *words]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if (tmp_path / "studies.log").exists() and len(study_in(tmp_path).trials) >= 3:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cut = [trial for trial in study_in(tmp_path).trials if trial.state == TrialState.RUNNING]
    assert len(cut) == 1

    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr
    trials = study_in(tmp_path).trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4, 5]
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) == 5
    assert trials[cut[0].number].state == TrialState.FAIL
    assert cut[0].params in [t.params for t in trials if t.state == TrialState.COMPLETE]
    assert the_sweep(tmp_path).info.status == "FINISHED"
