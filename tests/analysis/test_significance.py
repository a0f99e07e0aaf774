"""Welch's t-test, against Student's distribution as it is printed in tables."""

import math
import warnings

import numpy as np
import pytest
from scipy.stats import t as student
from support import seed_group

from mnistexp.analysis.significance import (
    difference_interval,
    is_within_noise,
    seeds_needed,
    welch_power,
)

T_975_OF_2 = 4.302653
"""The 97.5 % quantile of Student's t for 2 degrees of freedom."""
T_975_OF_4 = 2.776445
"""The same for 4 degrees of freedom."""


def is_noise(values: list[float], others: list[float]) -> bool | None:
    return is_within_noise(seed_group(values), seed_group(others), "test_accuracy")


def test_a_difference_is_noise_below_the_quantile_of_students_t() -> None:
    # Two samples with variance 1 and three seeds each have 4 degrees of freedom.
    limit = T_975_OF_4 * math.sqrt(1 / 3 + 1 / 3)
    assert is_noise([-1, 0, 1], [limit - 1.01, limit - 0.01, limit + 0.99]) is True
    assert is_noise([-1, 0, 1], [limit - 0.99, limit + 0.01, limit + 1.01]) is False


def test_the_interval_of_a_difference_is_that_of_students_t() -> None:
    half = T_975_OF_4 * math.sqrt(1 / 3 + 1 / 3)
    groups = seed_group([-1, 0, 1]), seed_group([1, 2, 3])
    difference, interval = difference_interval(*groups, "test_accuracy")
    assert difference == 2
    assert interval == pytest.approx((2 - half, 2 + half), abs=1e-6)
    assert difference_interval(groups[0], seed_group([3]), "test_accuracy") == (3, None)


def test_the_variances_of_the_groups_may_differ() -> None:
    # A constant sample contributes no variance: 2 degrees of freedom are left. Student's test with
    # a common variance would have 4, and find a difference from 16 on.
    limit = T_975_OF_2 * math.sqrt(100 / 3)
    assert is_noise([-10, 0, 10], [limit - 0.1] * 3) is True
    assert is_noise([-10, 0, 10], [limit + 0.1] * 3) is False


def test_the_order_of_the_groups_does_not_matter() -> None:
    low, high = [0.90, 0.91, 0.92], [0.97, 0.971, 0.972]
    assert is_noise(low, high) is is_noise(high, low) is False


def test_the_noise_is_unknown_for_a_single_seed() -> None:
    assert is_noise([0.9], [0.9, 0.91]) is None


def test_the_noise_is_unknown_for_a_metric_without_values() -> None:
    group = seed_group([0.9, 0.91])
    assert is_within_noise(group, group, "val_loss") is None


def test_a_missing_value_is_not_a_seed() -> None:
    assert is_noise([0.9, math.nan], [0.9, 0.91]) is None


def test_without_any_variance_only_equal_values_are_noise() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_noise([0.9, 0.9], [0.9, 0.9]) is True
        assert is_noise([0.9, 0.9], [0.91, 0.91]) is False


def needed(values: list[float], others: list[float]) -> int | None:
    return seeds_needed(seed_group(values), seed_group(others), "test_accuracy")


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 394), (0.5, 64), (0.8, 26), (1.0, 17)])
def test_the_number_of_seeds_is_that_of_cohens_table(effect: float, seeds: int) -> None:
    """Cohen, Statistical Power Analysis, 1988, table 2.4.1: two-sided 0.05, power 0.8."""
    tolerance = 1 if effect == 0.2 else 0  # The table is interpolated there.
    assert needed([-1, 0, 1], [effect - 1, effect, effect + 1]) == pytest.approx(
        seeds, abs=tolerance
    )


def test_the_power_is_that_of_a_simulation() -> None:
    """20,000 pairs of samples with a difference of 1 and standard deviations of 1 and 0.5."""
    random, n = np.random.default_rng(0), 12
    first, second = random.normal(0, 1, (20_000, n)), random.normal(1, 0.5, (20_000, n))
    parts = first.var(1, ddof=1) / n, second.var(1, ddof=1) / n
    freedom = (parts[0] + parts[1]) ** 2 * (n - 1) / (parts[0] ** 2 + parts[1] ** 2)
    statistic = np.abs(first.mean(1) - second.mean(1)) / np.sqrt(parts[0] + parts[1])
    found = (statistic > student.ppf(0.975, freedom)).mean()
    assert welch_power(1, 1, 0.5, n) == pytest.approx(found, abs=0.01)


def test_the_number_of_seeds_is_unknown_without_a_difference_or_a_second_seed() -> None:
    assert needed([0.9, 0.92], [0.92, 0.9]) is None
    assert needed([0.9], [0.92, 0.9]) is None
    assert needed([-1, 0, 1], [-0.999, 0.001, 1.001]) is None  # More than 1,000.
