"""Comparisons of made-up seed groups."""

import math

import pytest
from support import seed_group, table_of_runs

from mnistexp.analysis.comparison import compare, lower_is_better, rank, selection_metric
from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed

SGD = seed_group([0.90, 0.91, 0.92], optim="sgd")
ADAM = seed_group([0.95, 0.96, 0.97], optim="adam")
RMSPROP = seed_group([0.94], optim="rmsprop")


def group_with_costs(optim: str, *seconds: float) -> SeedGroup:
    rows = [
        {"optim": optim, "seed": seed, "test_accuracy": 0.9, "seconds": s, "num_parameters": 7850}
        for seed, s in enumerate(seconds)
    ]
    (group,) = group_by_seed(table_of_runs(rows))
    return group


def test_each_group_is_a_row_with_its_settings_and_its_mean() -> None:
    comparison = compare([SGD, ADAM])
    assert (comparison.metric, comparison.settings) == ("test_accuracy", ["optim"])
    rows = comparison.rows.to_dict("list")
    assert rows["optim"] == ["sgd", "adam"]
    assert rows["n"] == [3, 3]
    assert rows["test_accuracy_mean"] == pytest.approx([0.91, 0.96])
    assert rows["test_accuracy_std"] == pytest.approx([0.01, 0.01])
    assert rows["best"] == [False, True]


@pytest.mark.parametrize(("to_previous", "changes"), [(False, [0.05, 0.03]), (True, [0.05, -0.02])])
def test_a_change_is_the_difference_to_the_first_row_or_to_the_row_above(
    to_previous: bool, changes: list[float]
) -> None:
    rows = compare([SGD, ADAM, RMSPROP], to_previous=to_previous).rows
    assert rows["change"].isna().tolist() == [True, False, False]
    assert rows["change"].tolist()[1:] == pytest.approx(changes)
    assert rows["change_within_noise"].tolist()[1:] == [False, None]  # RMSprop has one seed.


def test_every_row_is_compared_with_the_baseline() -> None:
    rows = compare([SGD, ADAM, RMSPROP], baseline=ADAM).rows
    assert rows["to_baseline"].tolist() == pytest.approx([-0.05, math.nan, -0.02], nan_ok=True)
    assert rows["to_baseline_within_noise"].tolist()[::2] == [False, None]


def test_only_rows_on_the_same_data_are_compared() -> None:
    digits = [seed_group([value], **{"data.name": "mnist", "n": value}) for value in (0.8, 0.9)]
    clothes = [seed_group([value], **{"data.name": "clothes", "n": value}) for value in (0.7, 0.85)]
    groups = rank([clothes[0], digits[0], clothes[1], digits[1]], "test_accuracy")
    assert groups == [clothes[1], clothes[0], digits[1], digits[0]]
    comparison = compare(groups, baseline=digits[0])
    assert comparison.num_data_sets == 2
    rows = comparison.rows
    assert rows["best"].tolist() == [True, False, True, False]
    assert rows["change"].fillna(0).tolist() == pytest.approx([0, -0.15, 0, -0.1])
    assert rows["to_baseline"].fillna(9).tolist() == pytest.approx([9, 9, 0.1, 9])
    previous = compare(groups, to_previous=True).rows["change"]
    assert previous.isna().tolist() == [True, False, True, False]


def test_costs_are_medians_and_their_ratios_to_the_first_row() -> None:
    rows = compare([group_with_costs("sgd", 10, 11, 99), group_with_costs("adam", 22, 22, 22)]).rows
    assert rows["seconds"].tolist() == [11, 22]
    assert rows["seconds_ratio"].tolist()[1:] == [2]
    assert rows["num_parameters_ratio"].tolist()[1:] == [1]


def test_in_a_comparison_by_a_cost_the_lowest_median_is_best() -> None:
    fast, slow = group_with_costs("sgd", 10, 11, 12), group_with_costs("adam", 22, 22, 22)
    rows = compare([slow, fast], "seconds").rows
    assert rows["best"].tolist() == [False, True]
    assert rows["change"].tolist()[1:] == [-11]


def test_a_single_group_is_not_called_the_best() -> None:
    assert compare([SGD]).rows["best"].tolist() == [False]


def test_groups_are_selected_by_validation_accuracy_if_all_have_one() -> None:
    rows = [{"seed": 0, "test_accuracy": 0.9, "val_accuracy": 0.8}]
    (validated,) = group_by_seed(table_of_runs(rows))
    assert selection_metric([validated]) == "val_accuracy"
    assert selection_metric([validated, SGD]) == "test_accuracy"


def test_groups_with_the_same_target_are_ranked_by_the_time_to_reach_it() -> None:
    def group(optim: str, value: float, seconds: float | None) -> SeedGroup:
        target = {"train.target.metric": "val_accuracy", "train.target.value": value}
        row = {"optim": optim, "seed": 0, "val_accuracy": value, **target}
        reached = {} if seconds is None else {"seconds_to_target": seconds}
        (only,) = group_by_seed(table_of_runs([{**row, **reached}]))
        return only

    slow, fast, other = group("sgd", 0.9, 7), group("adam", 0.9, 2), group("adam", 0.95, 3)
    missed = group("rmsprop", 0.9, None)
    assert rank([missed, slow, fast], selection_metric([missed, slow])) == [fast, slow, missed]
    assert selection_metric([missed, missed]) == "val_accuracy"
    assert selection_metric([slow, fast]) == "seconds_to_target"
    assert rank([slow, fast], "seconds_to_target") == [fast, slow]
    assert selection_metric([fast, other]) == "val_accuracy"


def test_groups_are_ranked_best_first_and_without_the_metric_last() -> None:
    (unknown,) = group_by_seed(table_of_runs([{"seed": 0, "optim": "lion"}]))
    assert rank([unknown, SGD, ADAM], "test_accuracy") == [ADAM, SGD, unknown]
    fast, slow = group_with_costs("sgd", 10), group_with_costs("adam", 22)
    assert rank([slow, fast], "seconds") == [fast, slow]


@pytest.mark.parametrize("metric", ["seconds", "num_parameters", "val_loss", "peak_memory_mb"])
def test_lower_costs_and_losses_are_better(metric: str) -> None:
    assert lower_is_better(metric)


@pytest.mark.parametrize("metric", ["val_accuracy", "mean_images_per_second"])
def test_higher_accuracy_and_speed_are_better(metric: str) -> None:
    assert not lower_is_better(metric)
