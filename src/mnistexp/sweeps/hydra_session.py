"""The parts of a Hydra multirun that a sweep uses."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from mnistexp.config.compose import (
    read_config_source,
    resolve_composed,
)
from mnistexp.config.hydra_errors import composition_errors_explained
from mnistexp.data import load_data
from mnistexp.errors import InputError
from mnistexp.sweeps.jobs import Job
from mnistexp.sweeps.sweep_task import SweepTask

MULTIRUN_OVERRIDES = ("hydra.mode=MULTIRUN",)
"""What Hydra itself adds for the option -m."""


class HydraSession:
    """A Hydra multirun: composes jobs as the launchers do, and holds launcher, task and command."""

    def __init__(
        self,
        hydra_context: HydraContext,
        master_config: DictConfig,
        launcher: Launcher,
        task: SweepTask,
    ) -> None:
        self.launcher = launcher
        self.task = task
        self._config_loader = hydra_context.config_loader
        self._master_config = master_config
        self.overrides = [str(text).lstrip("+") for text in master_config.hydra.overrides.task]
        """The overrides of the command line, as typed."""

    @property
    def command(self) -> str:
        """The command line of the sweep, quoted for a shell."""
        hydra_cfg = self._master_config.hydra
        options = read_config_source(hydra_cfg).options
        settings = [text for text in hydra_cfg.overrides.hydra if text not in MULTIRUN_OVERRIDES]
        return shlex.join(["mnistexp", "-m", *options, *settings, *self.overrides])

    def create_output_folder(self) -> None:
        """Create the folder of the jobs' folders: launchers say nothing useful if they cannot.

        Raises:
            InputError: it cannot be created.
        """
        folder = Path(self._master_config.hydra.sweep.dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"hydra.sweep.dir: expected a folder that can be written. Received: {folder} "
                f"({error.strerror}). Set another one: hydra.sweep.dir=FOLDER"
            ) from error

    def compose(self, overrides: Sequence[str], threads: int | None) -> Job:
        """Compose a job from its overrides.

        Args:
            threads: that one operation may use where the job runs: `LauncherTraits.threads`.

        Raises:
            InputError: they cannot be composed, the config is invalid, or the data is missing.
        """
        with composition_errors_explained(overrides):
            cfg = self._config_loader.load_sweep_config(self._master_config, list(overrides))
        config, source = resolve_composed(cfg)
        digest = load_data(config.data).digest
        return Job(tuple(overrides), config, source, digest, threads=threads)
