"""The private names of scikit-learn are still those that `model/sklearn_private.py` lists."""

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from mnistexp.model import build_estimator, count_parameters
from mnistexp.model.classical import (
    ClassicalConfig,
    GradientBoosting,
    KNearestNeighbors,
    LogisticRegression,
    RandomForest,
    SupportVectorMachine,
)
from mnistexp.model.sklearn_private import TRUSTED_TYPES

CONFIGS = [
    LogisticRegression(type="logistic_regression", max_iter=5, tol=10.0),
    KNearestNeighbors(type="k_nearest_neighbors"),
    SupportVectorMachine(type="support_vector_machine", components=5),
    RandomForest(type="random_forest", n_estimators=2),
    GradientBoosting(type="gradient_boosting", max_iter=2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.type)
def test_a_fitted_classifier_contains_only_trusted_types(config: ClassicalConfig) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 784), "u1")
    labels = np.arange(100) % 10
    estimator = build_estimator(config, seed=0, threads=1).fit(pixels, labels)
    if not hasattr(estimator, "predict_proba"):
        frozen = FrozenEstimator(estimator)
        estimator = CalibratedClassifierCV(frozen, method="temperature", cv=2).fit(pixels, labels)
    types = set(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)))
    assert types <= set(TRUSTED_TYPES), (
        "scikit-learn has new private types in a fitted classifier: check that they are harmless "
        "when loaded, and add them to TRUSTED_TYPES in src/mnistexp/model/sklearn_private.py"
    )
    assert count_parameters(estimator) > 0


def test_gradient_boosting_counts_the_nodes_of_its_trees() -> None:
    pixels = np.repeat(np.arange(40)[:, None], 784, axis=1).astype("u1")
    config = GradientBoosting(type="gradient_boosting", max_iter=3, max_leaf_nodes=2)
    estimator = build_estimator(config, seed=0, threads=1).fit(pixels, np.arange(40) % 2 == 0)
    assert estimator.n_iter_ == 3
    # A tree of two leaves has three nodes; a tree that cannot be split has one.
    assert 3 <= count_parameters(estimator) <= 9
