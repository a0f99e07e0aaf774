"""Settings of the scikit-learn classifiers, and the estimators that they build.

Each estimator maps the raw pixels of an image, 0 to 255 in one row, to ten probabilities.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mnistexp.model.sklearn_private import count_boosting_nodes
from mnistexp.schema import Count, NonNegative, Positive, Section

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

CALIBRATION_SIZE = 5_000
"""Maximum number of training images for the calibration of a support vector machine."""


class LogisticRegression(Section):
    """Multinomial logistic regression, fitted with L-BFGS.

    Each pixel is scaled to the range 0 to 1 by its minimum and maximum in the training images.
    """

    type: Literal["logistic_regression"]
    C: Positive = 1.0
    """Inverse of the strength of the L2 penalty."""
    max_iter: Count = 200
    tol: Positive = 1e-3
    """Largest component of the gradient at which the fit stops."""


class KNearestNeighbors(Section):
    """Predicts the class of the most similar training images."""

    type: Literal["k_nearest_neighbors"]
    n_neighbors: Count = 3
    weights: Literal["uniform", "distance"] = "distance"


class SupportVectorMachine(Section):
    """Support vector machine with a radial kernel, on the leading principal components.

    Probabilities are a softmax of the decision values with a temperature, which is fitted on
    held-out training images.
    """

    type: Literal["support_vector_machine"]
    C: Positive = 10.0
    """Inverse of the strength of the penalty."""
    kernel: Literal["rbf", "poly", "sigmoid", "linear"] = "rbf"
    gamma: Positive | Literal["scale", "auto"] = "scale"
    components: Count | None = 50
    """Number of principal components; null: the pixels themselves (slow)."""


class RandomForest(Section):
    """The mean of many decision trees, each fitted to a random sample of the images."""

    type: Literal["random_forest"]
    n_estimators: Count = 100
    max_depth: Count | None = None
    max_features: Literal["sqrt", "log2"] | Annotated[float, Field(gt=0, le=1)] = "sqrt"
    min_samples_leaf: Count = 1


class GradientBoosting(Section):
    """Decision trees on binned pixels, each fitted to the errors of the trees before it."""

    type: Literal["gradient_boosting"]
    learning_rate: Positive = 0.1
    max_iter: Count = 100
    """Number of rounds. Each adds one tree per class."""
    max_leaf_nodes: Annotated[int, Field(gt=1)] = 31
    l2_regularization: NonNegative = 0.0


ClassicalConfig = (
    LogisticRegression | KNearestNeighbors | SupportVectorMachine | RandomForest | GradientBoosting
)


def build_estimator(config: ClassicalConfig, seed: int, threads: int | None) -> "ClassifierMixin":
    """Build the unfitted scikit-learn classifier.

    Args:
        config: the classifier and its settings.
        seed: of its random numbers.
        threads: maximum number of threads, for classifiers that can use several. None: all cores.
    """
    from sklearn import (
        decomposition,
        ensemble,
        linear_model,
        neighbors,
        pipeline,
        preprocessing,
        svm,
    )

    jobs = threads or -1
    settings: dict[str, Any] = config.model_dump(exclude={"type", "components"})
    match config:
        case LogisticRegression():
            regression = linear_model.LogisticRegression(**settings)
            return pipeline.make_pipeline(preprocessing.MinMaxScaler(), regression)
        case KNearestNeighbors():
            return neighbors.KNeighborsClassifier(**settings, n_jobs=jobs)
        case RandomForest():
            return ensemble.RandomForestClassifier(**settings, random_state=seed, n_jobs=jobs)
        case GradientBoosting():
            return ensemble.HistGradientBoostingClassifier(
                **settings, early_stopping=False, random_state=seed
            )
        case SupportVectorMachine():
            machine = svm.SVC(**settings, cache_size=1_000)
            if config.components is None:
                return machine
            reduction = decomposition.PCA(config.components, random_state=seed)
            return pipeline.make_pipeline(reduction, machine)


def count_parameters(estimator: Any) -> int:
    """Return the number of values that a fitted classifier has learned or stores.

    These are coefficients, nodes of trees, or the values of stored images or support vectors.
    """
    if hasattr(estimator, "calibrated_classifiers_"):
        return count_parameters(estimator.calibrated_classifiers_[0].estimator)
    if hasattr(estimator, "steps"):
        return sum(count_parameters(step) for _, step in estimator.steps)
    if hasattr(estimator, "estimators_"):
        return sum(int(tree.tree_.node_count) for tree in estimator.estimators_)
    if hasattr(estimator, "n_trees_per_iteration_"):
        return count_boosting_nodes(estimator)
    if hasattr(estimator, "n_samples_fit_"):
        return int(estimator.n_samples_fit_ * estimator.n_features_in_)
    if hasattr(estimator, "estimator"):  # A FrozenEstimator.
        return count_parameters(estimator.estimator)
    names = ("coef_", "intercept_", "support_vectors_", "dual_coef_", "components_", "mean_")
    return sum(int(getattr(estimator, name).size) for name in names if _has_values(estimator, name))


def _has_values(estimator: Any, name: str) -> bool:
    # An SVC computes `coef_` from its support vectors, and only for a linear kernel.
    return not (name == "coef_" and hasattr(estimator, "dual_coef_")) and hasattr(estimator, name)
