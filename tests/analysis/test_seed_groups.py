"""Groups of runs that differ only in the seed, of made-up tables of runs."""

import math
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from support import seed_group, table_of_runs

from mnistexp.analysis.comparison import compare
from mnistexp.analysis.seed_groups import (
    average_curves,
    group_by_seed,
    sample_curves,
    select_seed_group,
)
from mnistexp.tracking import MlflowTracking, RunStore


def run(optim: str, seed: int, accuracy: float, **columns: Any) -> dict[str, Any]:
    return {"optim": optim, "seed": seed, "test_accuracy": accuracy, **columns}


def test_runs_that_differ_only_in_the_seed_are_one_group() -> None:
    table = table_of_runs([run("sgd", 0, 0.90), run("sgd", 1, 0.92), run("adam", 0, 0.95)])
    sgd, adam = group_by_seed(table)
    assert sgd.settings == {"optim": "sgd"}
    assert sgd.values("test_accuracy").tolist() == [0.90, 0.92]
    assert adam.settings == {"optim": "adam"}
    assert adam.values("test_accuracy").tolist() == [0.95]


def test_groups_are_in_the_order_of_their_first_runs() -> None:
    order = ["sgd", "adam", "sgd", "rmsprop", "adam"]
    table = table_of_runs([run(optim, seed, 0.9) for seed, optim in enumerate(order)])
    assert [group.settings["optim"] for group in group_by_seed(table)] == ["sgd", "adam", "rmsprop"]


def test_a_seed_that_was_run_twice_counts_once_with_its_latest_run() -> None:
    table = table_of_runs([run("sgd", 0, 0.90), run("sgd", 1, 0.92), run("sgd", 0, 0.94)])
    (group,) = group_by_seed(table)
    assert sorted(group.values("test_accuracy")) == [0.92, 0.94]


@pytest.mark.parametrize("status", ["FAILED", "RUNNING", "KILLED"])
def test_runs_that_have_not_finished_are_left_out(status: str) -> None:
    # The later run has the same seed, and must not replace the finished one.
    table = table_of_runs([run("sgd", 0, 0.90), run("sgd", 0, 0.10, status=status)])
    (group,) = group_by_seed(table)
    assert group.values("test_accuracy").tolist() == [0.90]
    assert group_by_seed(table[table["status"] == status]) == []


def test_runs_without_a_hash_are_left_out() -> None:
    table = table_of_runs([run("sgd", 0, 0.90), run("sgd", 1, 0.92)])
    table.loc[1, "tags.seedless_hash"] = None  # The run of a sweep, for example.
    (group,) = group_by_seed(table)
    assert group.values("test_accuracy").tolist() == [0.90]


def test_a_group_has_the_name_of_its_runs_without_the_seed() -> None:
    table = table_of_runs([run("sgd", 0, 0.9, name="conv-sgd-s0")])
    assert group_by_seed(table)[0].name == "conv-sgd"


def test_a_group_has_the_settings_with_a_value_that_may_change_the_result() -> None:
    columns = {"optim.momentum": math.nan, "model": None, "lab": "x", "tracking.type": "mlflow"}
    (group,) = group_by_seed(table_of_runs([run("sgd", 0, 0.9, **columns)]))
    assert group.settings == {"optim": "sgd", "lab": "x"}
    assert group.metrics == ["test_accuracy"]


def test_whole_numbers_of_a_setting_that_some_runs_lack_stay_whole() -> None:
    first = run("sgd", 0, 0.9, **{"data.train_size": 2000})
    groups = group_by_seed(table_of_runs([first, run("adam", 0, 0.9)]))
    assert str(groups[0].settings["data.train_size"]) == "2000"
    rows = compare(groups).rows
    assert [str(value) for value in rows["data.train_size"]] == ["2000", "None"]


def test_the_interval_of_checkpoints_is_no_difference() -> None:
    runs = [
        run("sgd", 0, 0.9, **{"train.checkpoint_every": text}) for text in ("1 step", "2 steps")
    ]
    assert all(
        "train.checkpoint_every" not in g.settings for g in group_by_seed(table_of_runs(runs))
    )


def test_a_classical_method_has_no_choices_of_sections_that_it_does_not_use() -> None:
    """Earlier versions logged them."""
    columns = {"train": "default", "optim/decay": "none", "model.type": "random_forest"}
    (group,) = group_by_seed(table_of_runs([run("sgd", 0, 0.9, **columns)]))
    assert group.settings == {"model.type": "random_forest"}


def test_mean_standard_deviation_and_median_are_over_the_seeds_with_the_metric() -> None:
    group = seed_group([0.90, 0.92, 0.97, math.nan])
    assert group.mean("test_accuracy") == pytest.approx(0.93)
    # Divided by n - 1: (0.03² + 0.01² + 0.04²) / 2.
    assert group.std("test_accuracy") == pytest.approx(math.sqrt(0.0026 / 2))
    assert group.median("test_accuracy") == 0.92


def test_a_single_seed_has_no_standard_deviation() -> None:
    group = seed_group([0.9])
    assert (group.mean("test_accuracy"), group.std("test_accuracy")) == (0.9, None)


def test_an_unlogged_metric_has_no_values() -> None:
    group = seed_group([0.9, 0.91])
    assert group.values("val_loss").tolist() == []
    assert (group.mean("val_loss"), group.std("val_loss"), group.median("val_loss")) == (None,) * 3


def history(**curves: dict[int, float]) -> pd.DataFrame:
    """A table of the train loss, with the columns of `load_history`."""
    rows = [(run, "train_loss", s, v) for run, curve in curves.items() for s, v in curve.items()]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def test_sampled_curves_have_the_first_and_the_last_step_and_the_newest_value_of_each_row() -> None:
    every_10 = {step: step / 100 for step in range(10, 101, 10)}
    curves = sample_curves(history(run0=every_10, run1={10: 1.0, 50: 5.0, 60: 6.0}), 4)
    assert curves.index.tolist() == [10, 40, 60, 70, 100]
    assert curves["train_loss", "run0"].tolist() == [0.1, 0.4, 0.6, 0.7, 1.0]
    # No value is repeated: run1 was not measured between the steps 10 and 40, nor after 60.
    assert curves["train_loss", "run1"].dropna().to_dict() == {10: 1.0, 60: 6.0}


def test_sampled_steps_have_equal_distances_where_a_curve_was_measured_more_often() -> None:
    often_at_first = dict.fromkeys([*range(1, 100), *range(100, 1001, 100)], 0.5)
    curves = sample_curves(history(run0=often_at_first), 6)
    assert curves.index.tolist() == [1, 200, 400, 600, 800, 1000]


def test_no_value_is_carried_on_after_the_last_step_of_a_curve() -> None:
    curves = sample_curves(history(run0={1: 3.0, 2: 2.0, 9: 1.0}, run1={1: 5.0, 2: 3.0}), 12)
    assert math.isnan(curves["train_loss", "run1"][9])
    groups = {"A": seed_group([0.9]), "both": seed_group([0.9, 0.9])}
    averages = average_curves(curves, groups)
    assert averages["train_loss A"].tolist() == [3.0, 2.0, 1.0]
    assert averages["train_loss both"].tolist()[:2] == [4.0, 2.5]
    assert math.isnan(averages["train_loss both"][9])


def test_a_curve_with_few_steps_is_kept_whole() -> None:
    curves = sample_curves(history(run0={1: 3.0, 2: 2.0}), 12)
    assert curves["train_loss", "run0"].to_dict() == {1: 3.0, 2: 2.0}


def test_curves_are_averaged_over_the_seeds_of_a_group() -> None:
    curves = sample_curves(history(run0={1: 3.0, 2: 2.0}, run1={1: 5.0, 2: 3.0}), 12)
    averages = average_curves(curves, {"A": seed_group([0.9, 0.9]), "B": seed_group([0.9])})
    assert averages.to_dict("list") == {"train_loss A": [4.0, 2.5], "train_loss B": [3.0, 2.0]}


def test_the_newest_of_several_groups_of_one_name_is_selected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("mnistexp")
    for start, (steps, seed) in enumerate([("10", 1), ("10", 0), ("20", 0)], start=1):
        tags = {"seedless_hash": steps, "config_hash": f"{steps} {seed}"}
        name = f"softmax-sgd-s{seed}"
        run_id = client.create_run(experiment, start, tags, name).info.run_id
        client.log_param(run_id, "train.steps", steps)
        client.set_terminated(run_id)
    store = RunStore(MlflowTracking(type="mlflow", uri=uri))
    group = select_seed_group(store, "softmax-sgd")
    assert group.settings["train.steps"] == 20
    newest = group.runs["run_id"].iloc[0]
    assert capsys.readouterr().err == f"softmax-sgd: 2 that differ; the newest is {newest}\n"
