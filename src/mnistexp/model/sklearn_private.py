"""The private names of scikit-learn that are needed. `tests/model` checks them."""

from typing import Any

TRUSTED_TYPES = (
    "sklearn.tree._tree.Tree",  # Its node indices are not checked: load only your own files.
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.ensemble._hist_gradient_boosting.common.X_DTYPE",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
)
"""The types that a stored model may contain besides those that skops trusts. skops identifies types
by module and name, and the parts of scikit-learn's fitted estimators are private."""


def count_boosting_nodes(estimator: Any) -> int:
    """Return the number of tree nodes of a fitted histogram gradient boosting classifier.

    It is the only ensemble whose trees have no public attribute.
    """
    return sum(len(tree.nodes) for trees in estimator._predictors for tree in trees)
