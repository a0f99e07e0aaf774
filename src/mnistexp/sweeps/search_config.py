"""The settings of a search, and the sampler that they name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

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
"""Of the names that are ours. A grid stands in line from the start, so nothing is sampled."""


NO_NAMES = ("BaseSampler", "BaseGASampler", "GridSampler", "PartialFixedSampler")
"""Of Optuna's: no samplers by themselves, or, the grid, made otherwise here."""


class SearchConfig(Section):
    """The settings of `hydra/sweeper=optuna`."""

    sampler: str = "tpe"
    sampler_settings: dict[str, Any] = Field(default_factory=dict)
    pruner: PrunerName = "none"
    objective: str | list[str] = "val_accuracy"
    choose_on_test: bool = False
    n_trials: Count | None = 20
    timeout_minutes: Positive | None = None
    num_at_once: Count = 1
    seed: Annotated[int, Field(ge=0)] = 0
    storage: str = "studies.log"
    study: str | None = None

    @property
    def objectives(self) -> list[str]:
        """What is optimised, also where it is one thing."""
        return [self.objective] if isinstance(self.objective, str) else self.objective

    @property
    def directions(self) -> list[Direction]:
        """Whether more or less is better, for each objective."""
        return [OBJECTIVES[name] for name in self.objectives]


def read_settings(settings: Any) -> SearchConfig:
    """The settings, checked.

    Raises:
        ConfigError: one is unknown, or at odds with another one.
    """
    try:
        config = SearchConfig.model_validate(settings)
    except ValidationError as error:
        lines = format_validation_error(error, settings, SearchConfig).splitlines()
        raise ConfigError("\n".join(f"hydra.sweeper.{line}" for line in lines)) from error
    for name in config.objectives:
        if name not in OBJECTIVES:
            raise ConfigError(
                f"hydra.sweeper.objective: expected {join_with_or(list(OBJECTIVES))}. "
                f"Received: {name!r}.{did_you_mean(name, OBJECTIVES)}"
            )
        if name.startswith("test_") and not config.choose_on_test:
            raise ConfigError(
                f"hydra.sweeper.objective: expected a metric of the validation images, since what "
                f"the test images choose they cannot judge. Received: {name}. "
                "hydra.sweeper.choose_on_test=true does it all the same"
            )
    if config.pruner != "none" and len(config.objectives) > 1:
        raise ConfigError(
            "hydra.sweeper.pruner: expected none with several objectives, for which Optuna cannot "
            f"prune. Received: {config.pruner}"
        )
    if config.n_trials is None and config.timeout_minutes is None:
        raise ConfigError("hydra.sweeper: expected n_trials or timeout_minutes. Received: neither")
    return config


def build_sampler(config: SearchConfig, n_trials: int) -> "BaseSampler":
    """Optuna's sampler of the name that the settings have.

    Args:
        n_trials: that the study has already.

    Raises:
        ConfigError: it is unknown, or does not have these settings.
    """
    from optuna import samplers

    class_name = SAMPLERS.get(config.sampler, config.sampler)
    known = [name for name in dir(samplers) if name.endswith("Sampler") and name not in NO_NAMES]
    if class_name not in known:
        names = [*SAMPLERS, *known]
        raise ConfigError(
            f"hydra.sweeper.sampler: expected {join_with_or(names)}. "
            f"Received: {config.sampler!r}.{did_you_mean(config.sampler, names)}"
        )
    settings = {"seed": config.seed + n_trials, **config.sampler_settings}
    try:
        sampler: BaseSampler = getattr(samplers, class_name)(**settings)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"hydra.sweeper.sampler={config.sampler}: {error}") from error
    return sampler
