"""The settings of the tracking."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Section

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class MlflowTracking(Section):
    """Runs are logged to an MLflow store."""

    # `register` is a method of every class of pydantic's, so in Python it has another name.
    model_config = ConfigDict(serialize_by_alias=True)

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
    register_as: ModelName | None = Field(default=None, alias="register")
    """Make the model the newest version of this name in MLflow's registry."""

    @model_validator(mode="after")
    def _registers_what_is_logged(self) -> "MlflowTracking":
        if self.register_as is not None and not self.log_model:
            raise ConfigError(
                "tracking.log_model: expected true with tracking.register, since only a logged "
                "model can be registered. Received: false"
            )
        return self

    figures: bool = True
    """Draw pictures at the end: learning curves, confusion matrix, mistakes, first layer."""
    tensorboard: bool = False
    """Write metrics and histograms of the weights for TensorBoard too, in the run's folder."""


class NoTracking(Section):
    """Nothing is logged."""

    type: Literal["none"]
    run_name: None = None
    """There is no run to name."""
    tensorboard: Literal[False] = False
    """TensorBoard's files belong to a run that is logged."""


TrackingConfig = Annotated[MlflowTracking | NoTracking, Field(discriminator="type")]
