"""Welch's t-test, against Student's distribution as it is printed in tables."""

import math
import warnings

from support import seed_group

from mnistexp.analysis.significance import is_within_noise

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
