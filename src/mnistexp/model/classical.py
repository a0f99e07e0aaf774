"""The classical methods that networks are compared with: scikit-learn's, by name.

All take the raw pixels of an image, 0 to 255, as one row and give ten probabilities.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mnistexp.schema import Count, NonNegative, Positive, Section

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

CALIBRATION_SIZE = 5_000


class LogisticRegression(Section):
    """Multinomial logistic regression by L-BFGS: softmax without a learning rate.

    Each pixel is scaled to 0 to 1 by the range that it has in the training images.
    """

    type: Literal["logistic_regression"]
    C: Positive = 1.0
    """Inverse of the strength of the L2 penalty."""
    max_iter: Count = 200
    tol: Positive = 1e-3
    """The largest gradient at which it has converged."""


class KNearestNeighbors(Section):
    """The vote of the most similar training images."""

    type: Literal["k_nearest_neighbors"]
    n_neighbors: Count = 3
    weights: Literal["uniform", "distance"] = "distance"


class SupportVectorMachine(Section):
    """Support vectors with a radial kernel, on the leading principal components.

    Probabilities are a softmax of the decision values with a temperature, which is fitted on
    training images that were kept back.
    """

    type: Literal["support_vector_machine"]
    C: Positive = 10.0
    """Inverse of the strength of the penalty."""
    kernel: Literal["rbf", "poly", "sigmoid", "linear"] = "rbf"
    gamma: Positive | Literal["scale", "auto"] = "scale"
    components: Annotated[int, Field(gt=0, le=784)] | None = 50
    """Principal components that the pixels are reduced to; null: the pixels themselves (slow)."""


class RandomForest(Section):
    """The mean of many decision trees, each grown on a sample of the images."""

    type: Literal["random_forest"]
    n_estimators: Count = 100
    max_depth: Count | None = None
    max_features: Literal["sqrt", "log2"] | Annotated[float, Field(gt=0, le=1)] = "sqrt"
    min_samples_leaf: Count = 1


class GradientBoosting(Section):
    """Decision trees that each mend what the ones before got wrong, on binned pixels."""

    type: Literal["gradient_boosting"]
    learning_rate: Positive = 0.1
    max_iter: Count = 100
    """Rounds; each grows a tree for each of the ten classes."""
    max_leaf_nodes: Annotated[int, Field(gt=1)] = 31
    l2_regularization: NonNegative = 0.0


ClassicalConfig = (
    LogisticRegression | KNearestNeighbors | SupportVectorMachine | RandomForest | GradientBoosting
)


def build_estimator(config: ClassicalConfig, seed: int, threads: int | None) -> "ClassifierMixin":
    """The unfitted scikit-learn classifier.

    Args:
        config: which one, and its settings.
        seed: of what it draws at random.
        threads: that it may use, where it can use several. None: all cores.
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
    """How many numbers a fitted classifier has learned or keeps.

    Coefficients of a regression, nodes of trees, values of the kept images or support vectors.
    """
    if hasattr(estimator, "calibrated_classifiers_"):
        return count_parameters(estimator.calibrated_classifiers_[0].estimator)
    if hasattr(estimator, "steps"):
        return sum(count_parameters(step) for _, step in estimator.steps)
    if hasattr(estimator, "estimators_"):
        return sum(int(tree.tree_.node_count) for tree in estimator.estimators_)
    if hasattr(estimator, "_predictors"):
        return sum(len(tree.nodes) for trees in estimator._predictors for tree in trees)
    if hasattr(estimator, "_fit_X"):
        return int(estimator._fit_X.size)
    if hasattr(estimator, "estimator"):  # Frozen.
        return count_parameters(estimator.estimator)
    names = ("coef_", "intercept_", "support_vectors_", "dual_coef_", "components_", "mean_")
    return sum(int(getattr(estimator, name).size) for name in names if _has(estimator, name))


def _has(estimator: Any, name: str) -> bool:
    # An SVC computes `coef_` from its support vectors, and only for a linear kernel.
    return not (name == "coef_" and hasattr(estimator, "dual_coef_")) and hasattr(estimator, name)
