"""`hydra/sweeper=optuna`: a search of Optuna's over ranges and choices in Hydra's grammar."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class OptunaSweeper(Sweeper):
    """Asks Optuna for trials, runs them through the launcher, and tells it how they ended."""

    def __init__(self, **settings: Any) -> None:
        self._settings = OmegaConf.to_container(OmegaConf.create(settings), resolve=True)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives, and make the launcher."""
        self.config = config
        self.hydra_context = hydra_context
        self._task = task_function
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search what the arguments leave open."""
        from mnistexp.errors import ConfigError
        from mnistexp.sweeps import HydraSession, SweepTask, run_search

        if not isinstance(self._task, SweepTask):
            raise ConfigError("hydra/sweeper: expected a run of mnistexp for this search")
        assert self.hydra_context is not None
        assert self.config is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        session = HydraSession(self.hydra_context, self.config, self._launcher, self._task)
        run_search(session, self._settings, parser.parse_overrides(arguments))
        return None
