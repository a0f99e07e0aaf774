"""What a sweep gets of Hydra."""

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from mnistexp.sweeps.jobs import Composer
from mnistexp.sweeps.sweep_task import SweepTask


class HydraSession:
    """What a sweep needs of Hydra: who composes, who launches, and the words that were typed."""

    def __init__(
        self, hydra_context: HydraContext, master: DictConfig, launcher: Launcher, task: SweepTask
    ) -> None:
        self.composer = Composer(hydra_context, master)
        self.launcher = launcher
        self.task = task
        self.words = [str(word).lstrip("+") for word in master.hydra.overrides.task]

    def tags(self, sweep_hash: str) -> dict[str, Any]:
        """Of the sweep's own run: the command, its overrides, and what it is known by."""
        return {
            "mlflow.source.name": " ".join(["mnistexp", "-m", *self.words]),
            "sweep_overrides": " ".join(self.words),
            "sweep_hash": sweep_hash,
            "kind": "sweep",
        }
