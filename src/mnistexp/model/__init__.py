"""The model: a Keras network or a scikit-learn classifier, and its settings."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from mnistexp.model.classical import (
    ClassicalConfig,
    GradientBoosting,
    KNearestNeighbors,
    LogisticRegression,
    RandomForest,
    SupportVectorMachine,
    build_estimator,
    count_parameters,
)
from mnistexp.model.network import NetworkConfig, build_classifier, build_model, check_width


def _type(value: Any) -> str | None:
    """Return the `type` of the section `model`; None if the value is not a section."""
    if isinstance(value, dict):
        return str(value.get("type", "network"))
    return getattr(value, "type", None)


ModelConfig = Annotated[
    Annotated[NetworkConfig, Tag("network")]
    | Annotated[LogisticRegression, Tag("logistic_regression")]
    | Annotated[KNearestNeighbors, Tag("k_nearest_neighbors")]
    | Annotated[SupportVectorMachine, Tag("support_vector_machine")]
    | Annotated[RandomForest, Tag("random_forest")]
    | Annotated[GradientBoosting, Tag("gradient_boosting")],
    Discriminator(_type),
]

__all__ = [
    "ClassicalConfig",
    "ModelConfig",
    "NetworkConfig",
    "build_classifier",
    "build_estimator",
    "build_model",
    "check_width",
    "count_parameters",
]
