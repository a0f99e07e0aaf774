"""The settings of the tracking."""

from typing import Annotated, Literal

from pydantic import Field

from mnistexp.schema import Section


class MlflowTracking(Section):
    """Runs are logged to an MLflow store."""

    type: Literal["mlflow"]
    uri: str | None = None
    """Of the store or server. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here."""
    experiment: Annotated[str, Field(min_length=1)] = "mnistexp"
    """The MLflow experiment that the run belongs to."""
    run_name: str | None = None
    """Default: made of model, optimizer and seed, such as conv_big-adam_decay-s0."""
    description: str | None = None
    """Shown on the run's page; Markdown."""
    tags: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """To filter runs by."""
    log_model: bool = True
    """Log the trained model too."""
    figures: bool = True
    """Draw pictures at the end: learning curves, confusion matrix, mistakes, first layer."""


class NoTracking(Section):
    """Nothing is logged."""

    type: Literal["none"]


TrackingConfig = Annotated[MlflowTracking | NoTracking, Field(discriminator="type")]
