"""Settings of the section `tracking`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Section

DEFAULT_EXPERIMENT = "mnistexp"
OWN_TAGS = {
    *("kind", "config_hash", "seedless_hash", "workload_hash", "step_hash", "sweep_hash"),
    *("process", "process_start", "host", "folder", "device", "device_type", "threads"),
    *("precision", "xla", "recording", "reason", "diverged", "pruned", "ended_at"),
    *("expectation", "note", "git_commit", "git_clean", "best_run_id", "best_job"),
    *("weights_sha256", "imported_run", "journal", "checkpoints", "resumed_from"),
}
"""Tags that mnistexp sets itself, and reads again."""
TagName = Annotated[str, Field(max_length=250, pattern=r"^[\w./: -]+$")]
TagText = Annotated[str, Field(max_length=8_000)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class MlflowTracking(Section):
    """Runs are logged to an MLflow store."""

    # Every pydantic model has a method `register`, so the field has another name in Python.
    model_config = ConfigDict(serialize_by_alias=True)

    type: Literal["mlflow"]
    uri: str | None = None
    """Address of the store. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here."""
    experiment: Annotated[str, Field(min_length=1)] = DEFAULT_EXPERIMENT
    """The MLflow experiment that the run belongs to."""
    run_name: str | None = None
    """Default: model, optimizer and seed, such as conv_big-adam_decay-s0."""
    description: str | None = None
    """Shown on the run's page; Markdown."""
    tags: dict[TagName, TagText | int | float | bool] = Field(default_factory=dict)
    """Tags, by which runs can be filtered."""

    @field_validator("tags")
    @classmethod
    def _check_tags(cls, tags: dict[str, str | int | float | bool]) -> dict[str, object]:
        for name in tags:
            if name in OWN_TAGS or name.startswith("mlflow."):
                raise ConfigError(
                    f"tracking.tags.{name}: expected another name, since mnistexp and MLflow set "
                    f"this tag themselves. Received: {name!r}"
                )
        return dict(tags)

    offline: bool = False
    """Write the run only into its folder. `mnistexp sync` sends it to the store later."""
    log_model: bool = True
    """Log the trained model."""
    register_as: ModelName | None = Field(default=None, alias="register")
    """Register the model as the newest version of this name in MLflow's registry."""

    @model_validator(mode="after")
    def _check_register(self) -> "MlflowTracking":
        if self.register_as is not None and not self.log_model:
            raise ConfigError(
                "tracking.log_model: expected true with tracking.register, since only a logged "
                "model can be registered. Received: false"
            )
        return self

    figures: bool = True
    """Log figures at the end: learning curves, confusion matrix, mistakes, first layer."""
    tensorboard: bool = False
    """Write metrics and histograms of the weights for TensorBoard into the run's folder."""


class NoTracking(Section):
    """Nothing is logged."""

    type: Literal["none"]
    run_name: None = None
    """There is no run to name."""
    tensorboard: Literal[False] = False
    """TensorBoard's files belong to a run that is logged."""


TrackingConfig = Annotated[MlflowTracking | NoTracking, Field(discriminator="type")]
