"""Test whether a difference between seed groups is within the noise, and how many seeds tell."""

import math
import warnings
from bisect import bisect_left

from mnistexp.analysis.seed_groups import SeedGroup

SIGNIFICANCE = 0.05
NOISE_TEST = f"Welch's t-test over the seeds, two-sided, p ≥ {SIGNIFICANCE}"
"""The test of `is_within_noise`, for notes below tables."""
POWER = 0.8
"""Probability of `seeds_needed` that a difference is found."""
MAX_SEEDS = 1_000


def is_within_noise(group: SeedGroup, other: SeedGroup, metric: str) -> bool | None:
    """Return whether the means of two groups may be equal, by Welch's t-test.

    The test allows different variances (B. L. Welch, Biometrika 34, 1947).

    Returns:
        None if a group has fewer than two seeds, so that its variance is unknown.
    """
    import numpy as np
    from scipy.stats import ttest_ind

    samples = group.values(metric), other.values(metric)
    if min(map(len, samples)) < 2:
        return None
    if all(np.ptp(sample) == 0 for sample in samples):
        return math.isclose(samples[0][0], samples[1][0])
    with warnings.catch_warnings():
        # SciPy warns if one sample is constant; the variance of the other one is used then.
        warnings.simplefilter("ignore", RuntimeWarning)
        return bool(ttest_ind(*samples, equal_var=False).pvalue >= SIGNIFICANCE)


def difference_interval(
    group: SeedGroup, other: SeedGroup, metric: str
) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of `other` minus that of `group`, and its 95 % interval by Welch's t.

    Returns:
        None instead of the interval if a group has fewer than two seeds.
    """
    from scipy.stats import ttest_ind

    samples = other.values(metric), group.values(metric)
    difference = float(samples[0].mean() - samples[1].mean())
    if min(map(len, samples)) < 2:
        return difference, None
    interval = ttest_ind(*samples, equal_var=False).confidence_interval(1 - SIGNIFICANCE)
    return difference, (float(interval.low), float(interval.high))


def seeds_needed(group: SeedGroup, other: SeedGroup, metric: str) -> int | None:
    """Return how many seeds of each group it takes to find the difference with a power of `POWER`.

    It is assumed that the true means and standard deviations are those of the seeds so far.

    Returns:
        None if it is more than `MAX_SEEDS`, or if a group has fewer than two seeds.
    """
    samples = group.values(metric), other.values(metric)
    if min(map(len, samples)) < 2:
        return None
    difference = abs(samples[0].mean() - samples[1].mean())
    deviations = samples[0].std(ddof=1), samples[1].std(ddof=1)
    if not difference or not any(deviations):
        return None
    counts = range(2, MAX_SEEDS + 1)
    index = bisect_left(counts, POWER, key=lambda n: welch_power(difference, *deviations, n))
    return counts[index] if index < len(counts) else None


def welch_power(difference: float, deviation: float, other_deviation: float, n: int) -> float:
    """Return the power of Welch's two-sided t-test of two samples of the size n.

    The statistic has about a noncentral t distribution, with the degrees of freedom of Welch and
    Satterthwaite (Moser, Stevens and Watts, Communications in Statistics 18, 1989).

    Args:
        difference: of the true means.
        deviation, other_deviation: the true standard deviations; at least one is not 0.
        n: at least 2.
    """
    from scipy.stats import nct, t

    variances = deviation**2, other_deviation**2
    freedom = (n - 1) * sum(variances) ** 2 / sum(variance**2 for variance in variances)
    noncentrality = difference / math.sqrt(sum(variances) / n)
    limit = t.ppf(1 - SIGNIFICANCE / 2, freedom)
    return float(nct.sf(limit, freedom, noncentrality) + nct.cdf(-limit, freedom, noncentrality))
