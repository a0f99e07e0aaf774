"""Sweeps in one process: what is checked, what is done, what is kept and what is shown."""

import io
import multiprocessing
import os
import re
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from support import FEW_STEPS, QUICK, Command, write_user_experiment

from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash
from mnistexp.sweeps.launchers import partition_resources

GRID = ["model=softmax,two_layers", "optim.learning_rate=0.1,0.2", "seed=0,1", *QUICK]


@dataclass(frozen=True)
class Store:
    """A store as MLflow's own client reads it."""

    client: mlflow.MlflowClient

    def runs(self, where: str = "") -> list[Run]:
        return list(self.client.search_runs(["1"], where, order_by=["attributes.start_time ASC"]))

    @property
    def sweeps(self) -> list[Run]:
        return self.runs("tags.kind = 'sweep'")

    def children(self, sweep: Run) -> list[Run]:
        return self.runs(f"tags.`mlflow.parentRunId` = '{sweep.info.run_id}'")

    def text(self, run: Run, path: str) -> str:
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        return (folder / path).read_text()

    def artifacts(self, run: Run, path: str = "") -> set[str]:
        return {file.path for file in self.client.list_artifacts(run.info.run_id, path)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"))


def test_a_sweep_is_a_run_with_a_child_for_each_job(mnistexp: Command, store: Store) -> None:
    outcome = mnistexp("-m", *GRID)
    assert outcome.exit_code == 0, outcome.err
    (sweep,) = store.sweeps
    children = store.children(sweep)
    assert len(children) == 8
    assert {child.info.status for child in children} == {"FINISHED"}
    assert sweep.info.status == "FINISHED"
    assert sweep.data.tags["mlflow.source.name"] == f"mnistexp -m {' '.join(GRID)}"
    counts = {name: sweep.data.metrics[f"num_{name}"] for name in ("jobs", "finished", "failed")}
    assert counts == {"jobs": 8, "finished": 8, "failed": 0}

    names = {child.info.run_name for child in children}
    assert "two_layers-sgd-learning_rate=0.1-s1" in names
    # A child is recorded as the run that anyone can repeat by itself.
    child = children[0]
    assert child.data.tags["mlflow.source.name"].startswith("mnistexp model=softmax")
    assert "sweep.job" not in store.text(child, "overrides.txt")
    assert not any(name.startswith("sweep") for name in child.data.params)

    best = max(
        children,
        key=lambda run: run.data.metrics["val_accuracy"],
    )
    assert float(sweep.data.tags["best_val_accuracy"]) <= best.data.metrics["val_accuracy"] + 1e-9
    assert {"curves", "by_parameter", "leaderboard.csv", "failures.csv", "best.yaml"} <= (
        store.artifacts(sweep)
    )
    assert store.artifacts(sweep, "by_parameter") == {
        "by_parameter/val_accuracy.png",
        "by_parameter/test_accuracy.png",
    }
    check_leaderboard(store, sweep, children, outcome.out)
    check_best(store, sweep)
    check_that_nothing_is_done_again(mnistexp, store, sweep)


def check_leaderboard(store: Store, sweep: Run, children: list[Run], out: str) -> None:
    """Seeds are folded, and the figures are those of the children."""
    table = pd.read_csv(io.StringIO(store.text(sweep, "leaderboard.csv")))
    assert list(table["n"]) == [2] * 4
    assert table["val_accuracy_mean"].is_monotonic_decreasing
    for _, row in table.iterrows():
        accuracies = [
            child.data.metrics["val_accuracy"]
            for child in children
            if child.data.params["model"] == row["model"]
            and float(child.data.params["optim.learning_rate"]) == row["optim.learning_rate"]
        ]
        assert row["val_accuracy_mean"] == pytest.approx(pd.Series(accuracies).mean())
        assert row["val_accuracy_std"] == pytest.approx(pd.Series(accuracies).std())
        assert f"{row['val_accuracy_mean']:.4f} ± {row['val_accuracy_std']:.4f}" in out


def check_best(store: Store, sweep: Run) -> None:
    """The best config is a file that runs as it is."""
    (Path.cwd() / "experiments" / "user").mkdir(parents=True)
    (Path.cwd() / "experiments" / "user" / "best.yaml").write_text(store.text(sweep, "best.yaml"))
    best = store.client.get_run(sweep.data.tags["best_run_id"])
    config, _ = compose_config(["user=best"])
    digest = best.inputs.dataset_inputs[0].dataset.source
    (data_digest,) = re.findall(r"[0-9a-f]{64}", digest)
    assert config_hash(config, data_digest) == best.data.tags["config_hash"]


def check_that_nothing_is_done_again(mnistexp: Command, store: Store, sweep: Run) -> None:
    again = mnistexp("-m", *GRID)
    assert "8 jobs, 8 finished earlier, 0 to run" in again.out
    assert "±" in again.out
    assert len(store.children(sweep)) == 8
    assert len(store.sweeps) == 1

    # One value more: only what is new, and the rest counts as skipped.
    more = mnistexp("-m", *GRID[:2], "seed=0,1,2", *QUICK)
    assert "12 jobs, 8 finished earlier, 4 to run, about" in more.out
    larger = store.sweeps[-1]
    counts = [larger.data.metrics[f"num_{name}"] for name in ("jobs", "finished", "skipped")]
    assert counts == [12, 4, 8]


def test_a_failed_job_is_told_with_its_reason_and_the_others_go_on(
    mnistexp: Command, store: Store
) -> None:
    words = ["-m", "optim.learning_rate=0.1,1e30,0.2", "model=two_layers", *QUICK]
    outcome = mnistexp(*words)
    assert outcome.exit_code == 1
    assert re.search(r"✗ 2/3 \S+learning_rate=1e\+30-s0  failed: the loss became", outcome.out)
    assert outcome.out.count("✓") == 2
    assert outcome.err == "error: 1 of 3 jobs failed. Repeat the command to run them again\n"
    (sweep,) = store.sweeps
    assert sweep.info.status == "FAILED"
    assert sweep.data.metrics["num_failed"] == 1
    (failure,) = pd.read_csv(io.StringIO(store.text(sweep, "failures.csv"))).to_dict("records")
    assert failure["status"] == "failed"
    assert failure["message"].startswith("the loss became")

    assert "3 jobs, 2 finished earlier, 1 to run" in mnistexp(*words).out
    none = mnistexp(*words, "sweep.rerun=none")
    assert "3 jobs, 3 finished earlier, 0 to run" in none.out
    assert none.exit_code == 1
    every = mnistexp(*words, "sweep.rerun=all", "sweep.dry_run=true")
    assert "3 jobs, about" in every.out


def test_a_wrong_combination_is_named_before_anything_trains(
    mnistexp: Command, tmp_path: Path
) -> None:
    words = ["-m", "model=conv", "model.layers.conv2.strides=2,0,1", *QUICK]
    outcome = mnistexp(*words)
    assert outcome.exit_code == 2
    assert "model.layers.conv2.strides=0" in outcome.err
    assert "expected a number > 0" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / "runs").exists()


def test_layers_that_do_not_fit_are_found_by_building_the_models(mnistexp: Command) -> None:
    words = ["-m", "model=conv", "model.layers.conv1.padding=same,valid"]
    words += ["model.layers.conv1.kernel_size=5,29", *QUICK, "sweep.dry_run=true"]
    outcome = mnistexp(*words)
    assert outcome.exit_code == 2
    assert "conv1" in outcome.err

    left_out = mnistexp(*words, "sweep.skip_invalid=true")
    assert left_out.exit_code == 0
    assert left_out.out.count("skipped: ") == 1
    assert "3 jobs" in left_out.out


def test_a_dry_run_lists_the_jobs_and_leaves_nothing(mnistexp: Command, tmp_path: Path) -> None:
    outcome = mnistexp("-m", "model=softmax,conv", "seed=0,1,2", "sweep.dry_run=true")
    assert outcome.exit_code == 0
    assert re.search(r"^conv +3 +3 +122,270", outcome.out, re.MULTILINE)
    assert re.search(r"^softmax +3 +3 +7,850", outcome.out, re.MULTILINE)
    assert "6 jobs" in outcome.out
    assert not (tmp_path / "runs").exists()


def test_times_are_estimated_from_earlier_runs(mnistexp: Command) -> None:
    mnistexp(*QUICK, "seed=7")
    out = mnistexp("-m", "optim.learning_rate=0.1,0.3", *QUICK, "sweep.dry_run=true").out
    assert re.search(r"^0\.1 +1 +1 +7,850 +\d+\.\d", out, re.MULTILINE)
    assert re.search(r"2 jobs, about \d+ s", out)


@pytest.mark.parametrize("swept", ["device.threads=1,2", "device=cpu,auto", "device.onednn=on,off"])
def test_what_is_fixed_in_a_process_cannot_be_swept_in_one(mnistexp: Command, swept: str) -> None:
    outcome = mnistexp("-m", swept, *QUICK)
    assert outcome.exit_code == 2
    assert "hydra/launcher=slurm_local" in outcome.err


def test_workers_of_a_machine_share_its_cores_and_its_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dealt = []
    for number in (1, 2, 3):
        monkeypatch.setattr(os, "environ", {"CUDA_VISIBLE_DEVICES": "4,6"})
        monkeypatch.setattr("os.cpu_count", lambda: 8)
        monkeypatch.setattr(multiprocessing.current_process(), "name", f"LokyProcess-{number}")
        partition_resources(3)
        dealt.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert dealt == ["4", "6", "4"]
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "2"


def test_a_sweep_works_without_tracking(mnistexp: Command, tmp_path: Path) -> None:
    outcome = mnistexp("-m", "seed=0,1", *FEW_STEPS, "tracking=none")
    assert outcome.exit_code == 0
    assert re.search(r"^softmax-sgd +2  0\.\d{4} ± 0\.\d{4}", outcome.out, re.MULTILINE)
    assert "±" in outcome.out
    assert not (tmp_path / "mlflow.db").exists()


def test_without_validation_images_none_is_called_the_best(mnistexp: Command, store: Store) -> None:
    small = ["data.validation_size=0", "train.evaluate_on=[]"]
    outcome = mnistexp("-m", "optim.learning_rate=0.1,0.2", *QUICK, *small)
    assert outcome.exit_code == 0, outcome.err
    assert "without validation images no job is the best" in outcome.out
    assert "best_run_id" not in store.sweeps[0].data.tags


def test_every_experiment_of_a_group_is_a_job(mnistexp: Command, tmp_path: Path) -> None:
    for name, rate in (("low", 0.1), ("high", 0.2)):
        write_user_experiment(
            tmp_path,
            name,
            f"optim: {{learning_rate: {rate}}}\n"
            "data: {train_size: 2000}\n"
            "train: {steps: 20}\n"
            "expect: {test_accuracy: [0.2, 0.99]}\n",
        )
    outcome = mnistexp("-m", "user=glob(*)")
    assert outcome.exit_code == 0, outcome.err
    assert re.search(r"✓ 2/2 user\.low-s0 .*expectation met", outcome.out)


def test_a_run_leaves_no_trace_in_the_next_one_of_its_process(
    mnistexp: Command, store: Store
) -> None:
    """Loops are compiled once for runs of a kind; values, seeds and rates are each run's own."""
    words = ["model=five_layers_batchnorm", "optim=adam", *QUICK]
    words += ["'model.layers.dropout={type: dropout, rate: 0.3, after: activation1}'".strip("'")]
    mnistexp(*words, "seed=1")
    mnistexp(*words, "seed=2", "optim.learning_rate=0.03")
    mnistexp(*words, "seed=1")
    first, other, again = (run.data.tags["weights_sha256"] for run in store.runs())
    assert first == again != other


def test_a_job_that_was_a_run_of_its_own_before_is_skipped(mnistexp: Command, store: Store) -> None:
    mnistexp(*QUICK, "seed=1")
    assert "2 jobs, 1 finished earlier, 1 to run" in mnistexp("-m", "seed=0,1", *QUICK).out
    (sweep,) = store.sweeps
    assert [sweep.data.metrics[f"num_{name}"] for name in ("finished", "skipped")] == [1, 1]
