"""Whether a difference is more than the seeds make by themselves."""

import math
import warnings

from mnistexp.analysis.seed_groups import SeedGroup

SIGNIFICANCE = 0.05
NOISE_TEST = f"Welch's t-test over the seeds, two-sided, p ≥ {SIGNIFICANCE}"
"""What `within_noise` stands on."""


def within_noise(one: SeedGroup, other: SeedGroup, metric: str) -> bool | None:
    """Whether two recipes may be equal in a metric, by Welch's t-test.

    It allows the recipes different spreads (B. L. Welch, Biometrika 34, 1947).

    Returns:
        None where one of them has fewer than two seeds, so that nothing is known of its spread.
    """
    import numpy as np
    from scipy.stats import ttest_ind

    samples = one.values(metric), other.values(metric)
    if min(map(len, samples)) < 2:
        return None
    if all(np.ptp(sample) == 0 for sample in samples):
        return math.isclose(samples[0][0], samples[1][0])
    with warnings.catch_warnings():
        # One of them may be constant, which SciPy warns of; the other's spread is what counts then.
        warnings.simplefilter("ignore", RuntimeWarning)
        return bool(ttest_ind(*samples, equal_var=False).pvalue >= SIGNIFICANCE)
