"""The settings of `hydra/sweeper=optuna`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from mnistexp.config.config import Config
from mnistexp.config.sweep import PrunerName
from mnistexp.config.validation_errors import format_validation_error
from mnistexp.errors import ConfigError, did_you_mean, join_with_or
from mnistexp.schema import Count, Positive, Section

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Direction = Literal["maximize", "minimize"]
OBJECTIVES: Mapping[str, Direction] = {
    "val_accuracy": "maximize",
    "val_loss": "minimize",
    "test_accuracy": "maximize",
    "test_loss": "minimize",
    "num_parameters": "minimize",
    "seconds": "minimize",
    "train_seconds": "minimize",
    "mean_images_per_second": "maximize",
    "peak_memory_mb": "minimize",
}
SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "grid": "RandomSampler"}
"""Short names of Optuna's classes. `grid` enqueues all its trials, so it samples nothing."""
UNSUPPORTED_SAMPLERS = ("BaseSampler", "BaseGASampler", "GridSampler", "PartialFixedSampler")
"""Base classes, and samplers whose arguments are not only settings."""


class SearchConfig(Section):
    """The settings of a search; conf/hydra/sweeper/optuna.yaml explains them."""

    sampler: str = "tpe"
    sampler_settings: dict[str, Any] = Field(default_factory=dict)
    pruner: PrunerName = "none"
    objective: str | list[str] = "val_accuracy"
    allow_test_objective: bool = False
    n_trials: Count | None = 20
    timeout_minutes: Positive | None = None
    n_jobs: Count = 1
    seed: Annotated[int, Field(ge=0)] = 0
    storage: str = "studies.log"
    study: str | None = None

    @property
    def objectives(self) -> list[str]:
        """The objectives as a list, also if there is one."""
        return [self.objective] if isinstance(self.objective, str) else self.objective

    @property
    def directions(self) -> list[Direction]:
        """Whether each objective is maximized or minimized."""
        return [OBJECTIVES[name] for name in self.objectives]


def parse_search_config(settings: Any) -> SearchConfig:
    """Validate the settings.

    Raises:
        ConfigError: a setting is unknown, or conflicts with another one.
    """
    try:
        config = SearchConfig.model_validate(settings)
    except ValidationError as error:
        lines = format_validation_error(error, settings, SearchConfig).splitlines()
        raise ConfigError("\n".join(f"hydra.sweeper.{line}" for line in lines)) from error
    for name in config.objectives:
        _check_objective(name, config.allow_test_objective)
    if config.pruner != "none" and len(config.objectives) > 1:
        raise ConfigError(
            "hydra.sweeper.pruner: expected none, because Optuna does not prune trials with "
            f"several objectives. Received: {config.pruner}"
        )
    if config.n_trials is None and config.timeout_minutes is None:
        raise ConfigError("hydra.sweeper: expected n_trials or timeout_minutes. Received: neither")
    return config


def _check_objective(name: str, allow_test_objective: bool) -> None:
    if name not in OBJECTIVES:
        raise ConfigError(
            f"hydra.sweeper.objective: expected {join_with_or(list(OBJECTIVES))}. "
            f"Received: {name!r}.{did_you_mean(name, OBJECTIVES)}"
        )
    if name.startswith("test_") and not allow_test_objective:
        raise ConfigError(
            "hydra.sweeper.objective: expected a metric without test images, because a test "
            "result that was optimized is no estimate of the accuracy on new images. "
            f"Received: {name}. Set hydra.sweeper.allow_test_objective=true to use it nevertheless"
        )


def check_objectives(search: SearchConfig, config: Config) -> None:
    """Refuse objectives that a job does not measure.

    Args:
        config: the config of the job.

    Raises:
        ConfigError: an objective needs validation images and there are none, or a pruner needs it
            during the training.
    """
    for name in search.objectives:
        if name.startswith("val_") and config.data.validation_size == 0:
            raise ConfigError(
                f"hydra.sweeper.objective: expected a metric that the jobs measure. Received: "
                f"{name}, but data.validation_size=0. Set data.validation_size=5000, or "
                "hydra.sweeper.objective=test_accuracy hydra.sweeper.allow_test_objective=true"
            )
    splits = [] if config.unused_sections else config.train.evaluated_splits
    prefixes = {"validation": "val", "test": "test"}
    measured = [f"{prefixes[split]}_{kind}" for split in splits for kind in ("accuracy", "loss")]
    if search.pruner != "none" and search.objectives[0] not in measured:
        raise ConfigError(
            f"hydra.sweeper.pruner: expected {search.objectives[0]} to be measured during the "
            f"training. Received: train.evaluate_on={config.train.evaluate_on}"
        )


def build_sampler(config: SearchConfig, num_trials: int) -> "BaseSampler":
    """Build Optuna's sampler.

    Args:
        num_trials: the number of trials that the study already has. It is added to the seed, so
            that another call of the command does not propose the same trials again.

    Raises:
        ConfigError: the sampler is unknown, or does not accept the settings.
    """
    from optuna import samplers

    class_name = SAMPLERS.get(config.sampler, config.sampler)
    known = [
        name
        for name in dir(samplers)
        if name.endswith("Sampler") and name not in UNSUPPORTED_SAMPLERS
    ]
    if class_name not in known:
        names = [*SAMPLERS, *known]
        raise ConfigError(
            f"hydra.sweeper.sampler: expected {join_with_or(names)}. "
            f"Received: {config.sampler!r}.{did_you_mean(config.sampler, names)}"
        )
    settings = {"seed": config.seed + num_trials, **config.sampler_settings}
    try:
        sampler: BaseSampler = getattr(samplers, class_name)(**settings)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"hydra.sweeper.sampler={config.sampler}: {error}") from error
    return sampler
