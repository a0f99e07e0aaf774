"""Optuna in the run of a trial: open the study's storage, and prune the trial."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mnistexp.config.sweep import PrunerName, TrialConfig
from mnistexp.errors import ConfigError, Pruned
from mnistexp.train import LogMetrics

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage


def require_optuna() -> None:
    """Raise ConfigError if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise ConfigError(
            "hydra/sweeper=optuna: expected Optuna to be installed. Received: none. "
            "Install it with pip install 'mnistexp[search]'"
        )


def open_storage(file: str) -> "BaseStorage":
    """Open Optuna's storage in a file that several processes may share; create it if needed."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(file))


def build_pruner(name: PrunerName) -> "BasePruner":
    """Build Optuna's pruner with its default settings."""
    from optuna import pruners

    pruner: BasePruner = {
        "none": pruners.NopPruner,
        "median": pruners.MedianPruner,
        "successive_halving": pruners.SuccessiveHalvingPruner,
        "hyperband": pruners.HyperbandPruner,
    }[name]()
    return pruner


def report_to_pruner(
    trial_config: TrialConfig | None, num_steps: int, log_metrics: LogMetrics
) -> LogMetrics:
    """Return a function that logs metrics and raises `Pruned` when the pruner stops the trial.

    Without a trial or a pruner it is `log_metrics` itself. A trial that has reached its last step,
    `num_steps`, is not pruned: stopping it would save nothing.
    """
    if trial_config is None or trial_config.pruner == "none":
        return log_metrics
    import optuna

    objective = trial_config.objective
    storage = open_storage(trial_config.storage)
    study = optuna.load_study(
        study_name=trial_config.study, storage=storage, pruner=build_pruner(trial_config.pruner)
    )
    study_id = storage.get_study_id_from_name(trial_config.study)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial_config.number)
    trial = optuna.trial.Trial(study, trial_id)

    def log_or_prune(metrics: Mapping[str, float], step: int) -> None:
        log_metrics(metrics, step)
        if objective not in metrics or step == 0:  # At the start all trials are equal.
            return
        trial.report(metrics[objective], step)
        if step < num_steps and trial.should_prune():
            raise Pruned(
                f"pruned at step {step:,} of {num_steps:,}: {objective} {metrics[objective]:.4f} "
                f"is worse than that of other trials (pruner {trial_config.pruner})"
            )

    return log_or_prune
