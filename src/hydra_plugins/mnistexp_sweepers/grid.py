"""`hydra/sweeper=grid`: every combination of some values, `model=conv,softmax seed=0,1,2`."""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(BasicSweeper):
    """Checks all jobs of a grid, does those that are not done yet, and compares them."""

    def __init__(self, max_batch_size: int | None = None, params: Any = None) -> None:
        super().__init__(max_batch_size, params)
        self._task: TaskFunction | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """As Hydra does it; the task is kept."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Run the grid that the arguments span."""
        from mnistexp.sweeps import HydraSession, SweepTask, run_grid

        if not isinstance(self._task, SweepTask):
            return super().sweep(arguments)  # The task of another program: nothing but the grid.
        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        words = [*self._parse_config(), *arguments]
        (grid,) = self.split_arguments(parser.parse_overrides(words), None)
        run_grid(HydraSession(self.hydra_context, self.config, self.launcher, self._task), grid)
        return None
