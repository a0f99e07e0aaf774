"""The parts of a Hydra multirun that a sweep uses."""

from collections.abc import Sequence

from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from mnistexp.config.compose import format_hydra_error, read_config_source, resolve_config
from mnistexp.data import load_data
from mnistexp.errors import ConfigError
from mnistexp.sweeps.jobs import Job
from mnistexp.sweeps.sweep_task import SweepTask


class HydraSession:
    """Composes jobs like Hydra's launchers, and holds the launcher, its task and the command."""

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
        """As typed."""

    @property
    def command(self) -> str:
        """The command line of the sweep."""
        return " ".join(["mnistexp", "-m", *self.overrides])

    def compose(self, overrides: Sequence[str]) -> Job:
        """Compose the job of some overrides.

        Raises:
            InputError: they cannot be composed, the config is invalid, or the data is missing.
        """
        try:
            cfg = self._config_loader.load_sweep_config(self._master_config, list(overrides))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(format_hydra_error(error)) from error
        source = read_config_source(cfg.hydra)
        with open_dict(cfg):
            del cfg["hydra"]
        config = resolve_config(cfg, source)
        return Job(tuple(overrides), config, source, load_data(config.data).digest)
