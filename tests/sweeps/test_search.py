"""Searches with Optuna, through the command line."""

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState
from support import Command
from sweep_store import DIVERGING, Store, read_files, states_of, study_in

from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash
from mnistexp.runs.run_tables import load_runs

SEARCH = ["-m", "hydra/sweeper=optuna", "data.train_size=1000", "train.epochs=2"]
SEARCH += ["tracking.figures=false", "tracking.log_model=false"]
RATE = "optim.learning_rate=tag(log,interval(1e-3,1))"
GRID = "hydra.sweeper.sampler=grid"


def test_a_search_runs_what_optuna_proposes(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    arguments = [*SEARCH, RATE, "optim=sgd,adam", "hydra.sweeper.n_trials=4"]
    result = mnistexp(*arguments)
    assert result.exit_code == 0, result.err
    study = study_in(tmp_path)
    assert states_of(study) == ["COMPLETE"] * 4
    for trial in study.trials:
        run = store.client.get_run(trial.user_attrs["run_id"])
        assert float(run.data.params["optim.learning_rate"]) == trial.params["optim.learning_rate"]
        assert run.data.params["optim"] == trial.params["optim"]
        assert trial.value == run.data.metrics["val_accuracy"]
        assert run.data.tags["mlflow.parentRunId"] == store.sweep().info.run_id

    sweep = store.sweep()
    assert {"best.yaml", "leaderboard.csv", "trials.csv", "study", "curves"} <= (
        store.artifacts(sweep)
    )
    assert store.artifacts(sweep, "study") == {
        f"study/{name}_val_accuracy.png"
        for name in ("history", "importance", "parallel_coordinates")
    }
    best = store.client.get_run(study.best_trial.user_attrs["run_id"])
    assert sweep.data.tags["best_run_id"] == best.info.run_id
    (tmp_path / "experiments" / "user").mkdir(parents=True)
    (tmp_path / "experiments" / "user" / "best.yaml").write_text(store.text(sweep, "best.yaml"))
    digest = re.findall(r"[0-9a-f]{64}", best.inputs.dataset_inputs[0].dataset.source)[0]
    assert config_hash(compose_config(["user=best"])[0], digest) == best.data.tags["config_hash"]

    # The repeated command has nothing to run; a larger budget continues the study.
    assert "4 trials finished earlier, 0 trials to run" in mnistexp(*arguments).out
    mnistexp(*arguments[:-1], "hydra.sweeper.n_trials=6")
    trials = study_in(tmp_path).trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4, 5]
    # The sampler of a repeated command has another seed, so no trial is proposed again.
    assert len({trial.params["optim.learning_rate"] for trial in trials}) == 6
    assert len(pd.read_csv(io.StringIO(store.text(store.sweep(), "leaderboard.csv")))) == 6
    assert store.sweep().data.metrics["num_finished"] == 6


def test_pruned_trials_end_early(mnistexp: Command, tmp_path: Path, store: Store) -> None:
    pruner = ["hydra.sweeper.pruner=median", "hydra.sweeper.n_trials=9", GRID]
    # The median pruner needs five trials before it prunes: good ones first.
    rates = "optim.learning_rate=0.5,0.4,0.3,0.2,0.6,1e-4,2e-4,3e-4,4e-4"
    result = mnistexp(*SEARCH, rates, *pruner, "train.evaluate_every=2 steps")
    assert result.exit_code == 0, result.err
    assert re.search(r"learning_rate=\S+\s+pruned at step \d+ of 20: val_accuracy", result.out)
    pruned = [t for t in study_in(tmp_path).trials if t.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        (run,) = store.runs(f"tags.config_hash = '{trial.user_attrs['config_hash']}'")
        assert run.info.status == "KILLED"
        assert run.data.tags["pruned"] == "true"
        assert run.data.tags["ended_at"] == f"at step {trial.last_step} of 20"
        assert "is worse than that of other trials" in run.data.tags["reason"]
        history = store.client.get_metric_history(run.info.run_id, "val_accuracy")
        assert max(value.step for value in history) < 20
        assert trial.last_step == max(value.step for value in history)
    assert store.sweep().data.metrics["num_pruned"] == len(pruned)
    table = load_runs("status = pruned")
    assert len(table) == len(pruned)
    assert f"{len(pruned)} pruned" in mnistexp("compare").out
    description = store.sweep().data.tags["mlflow.note.content"]
    assert description.count(": pruned at step") == len(pruned)

    before = read_files(tmp_path)
    repeated = mnistexp(*SEARCH, rates, *pruner, "train.evaluate_every=2 steps")
    assert repeated.exit_code == 0, repeated.err
    assert repeated.out.splitlines()[-4:] == result.out.splitlines()[-4:]
    assert read_files(tmp_path) == before


def test_a_trial_that_reached_its_last_step_is_finished(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    pruner = ["hydra.sweeper.pruner=median", GRID, "optim.learning_rate=0.5,0.4,0.3,0.2,0.6,1e-4"]
    # Each trial is evaluated once, at its last step.
    result = mnistexp(*SEARCH, *pruner, "train.evaluate_every=20 steps")
    assert result.exit_code == 0, result.err
    assert states_of(study_in(tmp_path)) == ["COMPLETE"] * 6
    assert {run.info.status for run in store.children()} == {"FINISHED"}


def test_trials_that_diverge_fail_and_the_search_continues(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    rates = "optim.learning_rate=1e30,0.1,1e29"
    result = mnistexp(*SEARCH, GRID, "model=two_layers", rates)
    assert result.exit_code == 0, result.err
    assert sorted(states_of(study_in(tmp_path))) == ["COMPLETE", "FAIL", "FAIL"]
    assert store.sweep().data.metrics["num_failed"] == 2


def test_a_trial_that_is_expected_to_diverge_has_failed_for_optuna(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    result = mnistexp(*SEARCH, GRID, *DIVERGING, "seed=0,1")
    assert result.exit_code == 1
    assert result.err.startswith("error: no trial of the search has a result. The last one: ")
    assert "the run has no val_accuracy" in result.err
    assert len(result.err.splitlines()) == 1
    assert states_of(study_in(tmp_path)) == ["FAIL", "FAIL"]
    assert store.sweep().data.metrics["num_finished"] == 2


def test_equal_trials_are_trained_once(mnistexp: Command, tmp_path: Path, store: Store) -> None:
    few_values = ["seed=0,1", "hydra.sweeper.sampler=random", "hydra.sweeper.n_trials=5"]
    result = mnistexp(*SEARCH, *few_values, "hydra.sweeper.n_jobs=3")
    assert result.exit_code == 0, result.err
    study = study_in(tmp_path)
    assert states_of(study) == ["COMPLETE"] * 5
    assert len(store.children()) == len({trial.params["seed"] for trial in study.trials})


def test_several_objectives_have_a_pareto_front(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    units = ["model=two_layers", "model.layers.hidden1.units=range(5,50,5)"]
    objectives = "hydra.sweeper.objective=[val_accuracy,num_parameters]"
    result = mnistexp(*SEARCH, *units, objectives, "hydra.sweeper.n_trials=5")
    assert result.exit_code == 0, result.err
    study = study_in(tmp_path)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert "Pareto front of val_accuracy and num_parameters:" in result.out
    assert result.out.count("  trial ") == len(study.best_trials)
    assert "study/pareto_front.png" in store.artifacts(store.sweep(), "study")
    assert "best_run_id" not in store.sweep().data.tags


def test_a_dry_run_of_a_search_creates_no_file(mnistexp: Command, tmp_path: Path) -> None:
    result = mnistexp(*SEARCH, RATE, "sweep.dry_run=true")
    assert result.exit_code == 0, result.err
    assert "search with tpe, objective val_accuracy, 20 trials to run" in result.out
    assert list(tmp_path.iterdir()) == []


def test_a_timeout_ends_a_search_before_all_trials_have_run(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    budget = ["hydra.sweeper.n_trials=1000", "hydra.sweeper.timeout_minutes=0.05"]
    result = mnistexp(*SEARCH, RATE, *budget)
    assert result.exit_code == 0, result.err
    assert "1000 trials to run, at most 0.05 minutes" in result.out
    assert 1 <= len(study_in(tmp_path).trials) < 1000
    assert set(states_of(study_in(tmp_path))) == {"COMPLETE"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([RATE, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials: expected a number > 0"),
        ([RATE, "hydra.sweeper.sampler=tpa"], "Did you mean tpe"),
        ([RATE, GRID], "optim.learning_rate: expected choices or range"),
        (["seed=0"], "expected at least one setting to search"),
        (["model.layers.logits.units=interval(5,10)"], "expected a whole number"),
        (["optim.learning_rate=interval(-1,1)"], "expected a number > 0"),
        ([RATE, "train.evaluate_on=[]", "hydra.sweeper.pruner=median"], "train.evaluate_on=[]"),
        ([RATE, "lab=1_0_softmax"], "Set data.validation_size=5000"),
        (
            [RATE, "lab=1_0_softmax", "hydra.sweeper.objective=[seconds,val_loss]"],
            "Received: val_loss, but data.validation_size=0",
        ),
    ],
)
def test_a_search_that_cannot_work_is_refused_before_anything_is_trained(
    mnistexp: Command, tmp_path: Path, overrides: list[str], message: str
) -> None:
    arguments = [*SEARCH, *overrides]
    if "lab=1_0_softmax" in overrides:
        arguments.remove("train.epochs=2")
    result = mnistexp(*arguments)
    assert result.exit_code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_search_without_validation_images_can_use_the_test_images(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    arguments = ["-m", "hydra/sweeper=optuna", "lab=1_0_softmax", "train.steps=20", GRID]
    arguments += ["tracking.figures=false", "optim.learning_rate=0.1,0.2"]
    allowed = ["hydra.sweeper.objective=test_accuracy", "hydra.sweeper.allow_test_objective=true"]
    result = mnistexp(*arguments, *allowed)
    assert result.exit_code == 0, result.err
    best = store.client.get_run(study_in(tmp_path).best_trial.user_attrs["run_id"])
    assert store.sweep().data.tags["best_run_id"] == best.info.run_id
    accuracies = [run.data.metrics["test_accuracy"] for run in store.children()]
    assert best.data.metrics["test_accuracy"] == max(accuracies)
