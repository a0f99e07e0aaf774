"""`hydra/sweeper=grid` and `hydra/sweeper=optuna`."""

from abc import ABC
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from mnistexp.sweeps import HydraSession


MAX_JOBS = 100_000
"""Maximum number of jobs of a grid, and of values of a range."""


class MnistexpSweeper(Sweeper, ABC):
    """Base class of both sweepers."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's objects and build the launcher."""
        self.hydra_context: HydraContext = hydra_context
        self.config: DictConfig = config
        self.task = task_function
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def session(self) -> "HydraSession | None":
        """Return the session of a sweep of mnistexp; None for the task of another program."""
        from mnistexp.sweeps import HydraSession, SweepTask

        if not isinstance(self.task, SweepTask):
            return None
        return HydraSession(self.hydra_context, self.config, self.launcher, self.task)

    def parse(self, arguments: Sequence[str]) -> list[Override]:
        """Parse overrides of the command line."""
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        return parser.parse_overrides(list(arguments))


class GridSweeper(MnistexpSweeper):
    """Runs every combination of the values. For other programs it works like Hydra's sweeper."""

    def __init__(self, max_batch_size: int | None = None, params: Any = None) -> None:
        """Keep the settings.

        Args:
            max_batch_size: jobs of another program that are launched at a time; None: all.
            params: overrides that precede those of the command line.
        """
        self._max_batch_size = max_batch_size
        self._params = params or {}

    def sweep(self, arguments: list[str]) -> Any:
        """Run the grid of the overrides."""
        params = [f"{key}={value}" for key, value in self._params.items()]
        grid = expand_grid(self.parse([*params, *arguments]))
        session = self.session()
        if session is None:
            return self._launch(grid)
        from mnistexp.sweeps import GridStrategy, run_sweep

        run_sweep(GridStrategy(session, grid))
        return None

    def _launch(self, grid: Sequence[Sequence[str]]) -> list[Any]:
        """Launch the jobs in batches. A failed batch ends the sweep."""
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        returns = []
        batch_size = self._max_batch_size or len(grid)
        for start in range(0, len(grid), batch_size):
            batch = grid[start : start + batch_size]
            self.validate_batch_is_legal(batch)
            results = self.launcher.launch(batch, initial_job_idx=start)
            for result in results:
                _ = result.return_value  # Raises the exception of a failed job.
            returns.append(results)
        return returns


class OptunaSweeper(MnistexpSweeper):
    """Runs the trials that Optuna proposes."""

    def __init__(self, **settings: Any) -> None:
        self._settings = OmegaConf.to_container(OmegaConf.create(settings), resolve=True)

    def sweep(self, arguments: list[str]) -> Any:
        """Search over the overrides that have several values."""
        from mnistexp.errors import ConfigError
        from mnistexp.sweeps import OptunaStrategy, run_sweep

        session = self.session()
        if session is None:
            raise ConfigError(
                "hydra/sweeper=optuna: this sweeper only works with the program mnistexp"
            )
        run_sweep(OptunaStrategy(session, self._settings, self.parse(arguments)))


def expand_grid(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of each combination. Of a repeated key the last value is used.

    Raises:
        HydraException: an override is an interval or has no value, or there are too many jobs.
    """
    values: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        _check_range(key, override)
        if not override.is_sweep_override():
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise HydraException(
                f"{key}: expected choices or range(start,stop,step) in a grid. Received: an "
                "interval, which hydra/sweeper=optuna can search"
            )
        if not values[key]:
            raise HydraException(
                f"{key}: expected at least one value. Received: {override.input_line}, which "
                "has none"
            )
    num_jobs = prod(map(len, values.values()))
    if num_jobs > MAX_JOBS:
        raise HydraException(f"expected at most {MAX_JOBS:,} jobs. Received: {num_jobs:,}")
    return [list(combination) for combination in product(*values.values())]


def _check_range(key: str, override: Override) -> None:
    """Refuse a range before it is expanded, which could take all memory."""
    value = override.value()
    if not isinstance(value, RangeSweep):
        return
    if not value.step:
        raise HydraException(f"{key}: expected a step other than 0 in range(start,stop,step)")
    start, stop = value.start or 0, value.stop or 0
    if abs(stop - start) / abs(value.step) > MAX_JOBS:
        raise HydraException(
            f"{key}: expected at most {MAX_JOBS:,} values. Received: {override.input_line}"
        )
