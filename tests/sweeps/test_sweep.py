"""The flow of a sweep, through the command line."""

import io
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import FEW_STEPS, QUICK, Command, write_user_experiment
from sweep_store import DIVERGING, FinishedGrid, Store, read_files

from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash
from mnistexp.experiment import run
from mnistexp.tracking.journal import find_journals

TINY = [*QUICK, "tracking.log_model=false"]


def test_a_sweep_is_a_run_with_a_child_run_for_each_job(finished_grid: FinishedGrid) -> None:
    store, sweep = finished_grid.store, finished_grid.store.sweep()
    children = store.children(sweep)
    assert [child.info.status for child in children] == ["FINISHED"] * 8
    assert sweep.info.status == "FINISHED"
    assert sweep.data.tags["mlflow.source.name"] == f"mnistexp {' '.join(finished_grid.arguments)}"
    counts = {name: sweep.data.metrics[f"num_{name}"] for name in ("jobs", "finished", "failed")}
    assert counts == {"jobs": 8, "finished": 8, "failed": 0}
    assert "two_layers-adam-learning_rate=0.1-s1" in {child.info.run_name for child in children}


def test_a_child_run_is_recorded_like_a_single_run(finished_grid: FinishedGrid) -> None:
    store = finished_grid.store
    child = store.children(store.sweep())[0]
    assert child.data.tags["mlflow.source.name"].startswith("mnistexp model=softmax")
    assert "sweep.job" not in store.text(child, "overrides.txt")
    assert not any(name.startswith("sweep") for name in child.data.params)


def test_the_leaderboard_has_the_mean_over_the_seeds(finished_grid: FinishedGrid) -> None:
    store, sweep = finished_grid.store, finished_grid.store.sweep()
    table = pd.read_csv(io.StringIO(store.text(sweep, "leaderboard.csv")))
    assert list(table["n"]) == [2] * 4
    assert table["val_accuracy_mean"].is_monotonic_decreasing
    for _, row in table.iterrows():
        accuracies = [
            child.data.metrics["val_accuracy"]
            for child in store.children(sweep)
            if child.data.params["model"] == row["model"]
            and float(child.data.params["optim.learning_rate"]) == row["optim.learning_rate"]
        ]
        assert row["val_accuracy_mean"] == pytest.approx(np.mean(accuracies))
        assert row["val_accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
        printed = f"{row['val_accuracy_mean']:.4f} ± {row['val_accuracy_std']:.4f}"
        assert printed in finished_grid.output


def test_the_best_run_has_the_best_accuracy_in_the_group_with_the_best_mean(
    finished_grid: FinishedGrid,
) -> None:
    store, sweep = finished_grid.store, finished_grid.store.sweep()
    accuracies: dict[tuple[str, str], dict[str, float]] = {}
    for child in store.children(sweep):
        params, accuracy = child.data.params, child.data.metrics["val_accuracy"]
        group = accuracies.setdefault((params["model"], params["optim.learning_rate"]), {})
        group[child.info.run_id] = accuracy
    best_group = max(accuracies.values(), key=lambda group: np.mean(list(group.values())))
    best_run_id = max(best_group, key=lambda run_id: best_group[run_id])
    assert sweep.data.tags["best_run_id"] == best_run_id
    assert sweep.data.metrics["best_val_accuracy"] == best_group[best_run_id]
    assert sweep.data.tags["best_val_accuracy"] == f"{best_group[best_run_id]:.6g}"


def test_the_exported_config_of_the_best_run_has_the_same_hash(
    finished_grid: FinishedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sweep = finished_grid.store, finished_grid.store.sweep()
    monkeypatch.chdir(tmp_path)
    experiments = tmp_path / "experiments" / "user"
    experiments.mkdir(parents=True)
    (experiments / "best.yaml").write_text(store.text(sweep, "best.yaml"))
    best = store.client.get_run(sweep.data.tags["best_run_id"])
    source = best.inputs.dataset_inputs[0].dataset.source
    (data_digest,) = re.findall(r"[0-9a-f]{64}", source)
    config, _ = compose_config(["user=best"])
    assert config_hash(config, data_digest) == best.data.tags["config_hash"]


def test_a_sweep_logs_figures_and_tables(finished_grid: FinishedGrid) -> None:
    store, sweep = finished_grid.store, finished_grid.store.sweep()
    files = {"curves", "by_parameter", "jobs.csv", "leaderboard.csv", "failures.csv", "best.yaml"}
    assert files <= store.artifacts(sweep)
    assert store.artifacts(sweep, "by_parameter") == {
        "by_parameter/val_accuracy.png",
        "by_parameter/test_accuracy.png",
    }


def test_a_repeated_command_runs_only_jobs_without_a_finished_run(
    finished_grid: FinishedGrid, mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    shutil.copytree(finished_grid.store.folder, tmp_path, dirs_exist_ok=True)
    before = read_files(tmp_path)
    repeated = mnistexp(*finished_grid.arguments)
    assert read_files(tmp_path) == before
    assert "8 jobs, 8 finished earlier, 0 to run" in repeated.out
    assert "±" in repeated.out
    assert len(store.children(store.sweep())) == 8

    more_seeds = [text.replace("seed=0,1", "seed=0,1,2") for text in finished_grid.arguments]
    assert "12 jobs, 8 finished earlier, 4 to run, about" in mnistexp(*more_seeds).out
    larger = store.sweeps[-1]
    counts = [larger.data.metrics[f"num_{name}"] for name in ("jobs", "finished", "skipped")]
    assert counts == [12, 4, 8]


def test_a_job_with_a_finished_single_run_is_skipped(
    mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    mnistexp(*TINY, "seed=1")
    assert "2 jobs, 1 finished earlier, 1 to run" in mnistexp("-m", "seed=0,1", *TINY).out
    metrics = store.sweep().data.metrics
    assert [metrics["num_finished"], metrics["num_skipped"]] == [1, 1]

    # A later single run of a job does not change which jobs the sweep has run.
    mnistexp(*TINY, "seed=0")
    before = read_files(tmp_path)
    assert "2 jobs, 2 finished earlier" in mnistexp("-m", "seed=0,1", *TINY).out
    assert read_files(tmp_path) == before


def test_a_later_single_run_does_not_change_the_figures_of_a_finished_sweep(
    finished_grid: FinishedGrid, mnistexp: Command, tmp_path: Path, store: Store
) -> None:
    shutil.copytree(finished_grid.store.folder, tmp_path, dirs_exist_ok=True)
    expected = _leaderboard_of(mnistexp(*finished_grid.arguments).out)
    first = store.children()[0]
    later = store.client.create_run("1", tags={"config_hash": first.data.tags["config_hash"]})
    for name, value in first.data.metrics.items():
        store.client.log_metric(later.info.run_id, name, 0.5 if "accuracy" in name else 99 * value)
    store.client.set_terminated(later.info.run_id, "FINISHED")
    assert _leaderboard_of(mnistexp(*finished_grid.arguments).out) == expected


def _leaderboard_of(output: str) -> str:
    return output.partition("the finished jobs")[2]


def test_a_failed_job_is_reported_and_the_other_jobs_run(mnistexp: Command, store: Store) -> None:
    arguments = ["-m", "optim.learning_rate=0.1,1e30,0.2", "model=two_layers", *TINY]
    result = mnistexp(*arguments)
    assert result.exit_code == 1
    assert re.search(r"✗ 2/3 \S+learning_rate=1e\+30-s0\s+failed: the loss became", result.out)
    assert result.out.count("✓") == 2
    assert result.err == ("error: 1 of 3 jobs failed. Repeat the command to run them again\n")
    sweep = store.sweep()
    assert sweep.info.status == "FAILED"
    assert sweep.data.metrics["num_failed"] == 1
    (failure,) = pd.read_csv(io.StringIO(store.text(sweep, "failures.csv"))).to_dict("records")
    assert failure["status"] == "failed"
    assert failure["message"].startswith("the loss became")

    assert "3 jobs, 2 finished earlier, 1 to run" in mnistexp(*arguments).out
    without_rerun = mnistexp(*arguments, "sweep.rerun=none")
    assert "3 jobs, 3 finished earlier, 0 to run" in without_rerun.out
    assert without_rerun.exit_code == 1
    rerun_all = mnistexp(*arguments, "sweep.rerun=all", "sweep.dry_run=true")
    assert "3 jobs, about" in rerun_all.out


def test_a_training_that_is_expected_to_diverge_is_a_finished_job(
    mnistexp: Command, store: Store
) -> None:
    arguments = ["-m", *DIVERGING, "seed=0,1", *TINY]
    result = mnistexp(*arguments)
    assert result.exit_code == 0, result.err
    assert [run.data.tags["diverged"] for run in store.children()] == ["true", "true"]
    assert store.sweep().data.metrics["num_finished"] == 2
    assert "2 jobs, 2 finished earlier, 0 to run" in mnistexp(*arguments).out


def test_an_unexpected_error_of_a_job_leaves_its_traceback(
    mnistexp: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def final_metrics(*arguments: Any) -> dict[str, float]:
        calls.append(arguments)
        if len(calls) == 1:
            raise MemoryError("too many images")
        return original(*arguments)

    calls: list[Any] = []
    original = run._final_metrics
    monkeypatch.setattr(run, "_final_metrics", final_metrics)
    result = mnistexp("-m", "seed=0,1", *TINY)
    assert result.exit_code == 1
    assert "failed: MemoryError: too many images" in result.out
    failed, finished = store.children()
    assert [failed.info.status, finished.info.status] == ["FAILED", "FINISHED"]
    traceback = store.text(failed, "traceback.txt")
    assert traceback.startswith("Traceback (most recent call last):")
    assert 'raise MemoryError("too many images")' in traceback
    assert "traceback.txt" not in store.artifacts(finished)
    assert "MemoryError: too many images" in store.text(store.sweep(), "failures.csv")


def test_a_folder_that_cannot_be_created_is_reported_in_one_line(mnistexp: Command) -> None:
    folder = "/proc/1/runs"  # Not even the administrator can write there.
    result = mnistexp("-m", "seed=0,1", *FEW_STEPS, "tracking=none", f"hydra.sweep.dir={folder}")
    assert result.exit_code == 2
    (line,) = result.err.splitlines()
    assert f"hydra.sweep.dir: expected a folder that can be written. Received: {folder} (" in line


def test_a_store_that_fails_during_a_sweep_does_not_stop_it(
    mnistexp: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def final_metrics(*arguments: Any) -> dict[str, float]:
        with sqlite3.connect(store.folder / "mlflow.db") as database:
            database.execute("DROP TABLE IF EXISTS metrics")
        return original(*arguments)

    original = run._final_metrics
    monkeypatch.setattr(run, "_final_metrics", final_metrics)
    monkeypatch.setattr("mnistexp.tracking.tracking_process.GIVE_UP_SECONDS", 0)
    result = mnistexp("-m", "seed=0,1", *TINY)
    assert result.exit_code == 0
    assert "✓ 2/2 softmax-sgd-s1" in result.out
    assert "3 runs are not in the store: " in result.err
    assert "no such table: metrics" in result.err
    assert len(find_journals(store.folder / "runs")) == 3


def test_a_sweep_works_without_tracking(mnistexp: Command, tmp_path: Path) -> None:
    result = mnistexp("-m", "seed=0,1", *FEW_STEPS, "tracking=none")
    assert result.exit_code == 0
    assert re.search(r"^softmax-sgd +2  0\.\d{4} ± 0\.\d{4}", result.out, re.MULTILINE)
    assert not (tmp_path / "mlflow.db").exists()


def test_without_validation_images_no_job_is_the_best(mnistexp: Command, store: Store) -> None:
    without_validation = ["data.validation_size=0", "train.evaluate_on=[]"]
    result = mnistexp("-m", "optim.learning_rate=0.1,0.2", *TINY, *without_validation)
    assert result.exit_code == 0, result.err
    assert "without validation images the jobs are not ranked" in result.out
    assert "best_run_id" not in store.sweep().data.tags


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
    result = mnistexp("-m", "user=glob(*)", "tracking.figures=false")
    assert result.exit_code == 0, result.err
    assert re.search(r"✓ 2/2 user\.low-s0 .*expectation met", result.out)


def test_a_run_does_not_change_the_next_run_of_its_process(mnistexp: Command, store: Store) -> None:
    """Compiled training loops are shared; values, seeds and learning rates are not."""
    arguments = ["model=five_layers_batchnorm", "optim=adam", *TINY]
    arguments += ["model.layers.dropout={type: dropout, rate: 0.3, after: activation1}"]
    mnistexp(*arguments, "seed=1")
    mnistexp(*arguments, "seed=2", "optim.learning_rate=0.03")
    mnistexp(*arguments, "seed=1")
    first, other, again = (run.data.tags["weights_sha256"] for run in store.runs())
    assert first == again != other
