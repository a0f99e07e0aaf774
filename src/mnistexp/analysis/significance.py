"""Test whether a difference between seed groups is within the noise of the seeds."""

import math
import warnings

from mnistexp.analysis.seed_groups import SeedGroup

SIGNIFICANCE = 0.05
NOISE_TEST = f"Welch's t-test over the seeds, two-sided, p ≥ {SIGNIFICANCE}"
"""The test of `is_within_noise`, for notes below tables."""


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
