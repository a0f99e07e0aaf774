"""The study of a search, in a file that many processes share, and the pruning of its trials."""

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
    """Refuse a search without Optuna.

    Raises:
        ConfigError: it is not installed.
    """
    if find_spec("optuna") is None:
        raise ConfigError(
            "hydra/sweeper=optuna: expected Optuna to be installed. Received: none. "
            "Install it with pip install 'mnistexp[search]'"
        )


def open_storage(file: str) -> "BaseStorage":
    """Optuna's storage in a file; it is created if need be."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(file))


def build_pruner(name: PrunerName) -> "BasePruner":
    """Optuna's pruner of that name, with its own settings."""
    from optuna import pruners

    pruner: BasePruner = {
        "none": pruners.NopPruner,
        "median": pruners.MedianPruner,
        "successive_halving": pruners.SuccessiveHalvingPruner,
        "hyperband": pruners.HyperbandPruner,
    }[name]()
    return pruner


def report_to_pruner(trial: TrialConfig | None, log_metrics: LogMetrics) -> LogMetrics:
    """What passes metrics on, and ends the training when the search calls the trial hopeless.

    Without a trial, or with one that is never pruned, that is `log_metrics` itself.
    """
    if trial is None or trial.pruner == "none":
        return log_metrics
    import optuna

    study = optuna.load_study(
        study_name=trial.study,
        storage=open_storage(trial.storage),
        pruner=build_pruner(trial.pruner),
    )
    stored = study.get_trials(deepcopy=False)[trial.number]
    running = optuna.trial.Trial(study, stored._trial_id)

    def log_or_prune(metrics: Mapping[str, float], step: int) -> None:
        log_metrics(metrics, step)
        if trial.objective not in metrics:
            return
        value = metrics[trial.objective]
        running.report(value, step)
        if running.should_prune():
            raise Pruned(
                f"given up at step {step}: {trial.objective} {value:.4f} is hopeless beside the "
                f"other trials (pruner {trial.pruner})"
            )

    return log_or_prune
