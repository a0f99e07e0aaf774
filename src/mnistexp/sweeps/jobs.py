"""The jobs of a sweep, composed and checked before any of them is run."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from mnistexp.analysis import short_names
from mnistexp.config.compose import format_hydra_error, read_config_source, resolve_config
from mnistexp.config.config import Config
from mnistexp.config.config_hash import config_hash, seedless_hash, workload_hash
from mnistexp.config.config_source import ConfigSource
from mnistexp.data import load_data
from mnistexp.errors import ConfigError

MAX_SHOWN = 8
"""Characters of a number up to which it is shown as it is."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep. overrides: as a launcher gets them."""

    overrides: tuple[str, ...]
    config: Config
    origin: ConfigSource
    data_digest: str

    @cached_property
    def config_hash(self) -> str:
        """By which it is known in the store."""
        return config_hash(self.config, self.data_digest)

    @cached_property
    def seedless_hash(self) -> str:
        """The same for all seeds."""
        return seedless_hash(self.config, self.data_digest)

    @cached_property
    def workload_hash(self) -> str:
        """The same for jobs that should take equally long."""
        return workload_hash(self.config)

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """What was chosen and set for it: `{"model": "conv", "optim.learning_rate": "0.1"}`."""
        pairs = (override.partition("=") for override in self.origin.overrides)
        return {key.lstrip("+~"): value for key, _, value in pairs}

    @property
    def diverging_is_expected(self) -> bool:
        """Whether the experiment is about a training that diverges."""
        return self.config.expect is not None and self.config.expect.diverges


class Composer:
    """Composes jobs in the way that Hydra's launchers do."""

    def __init__(self, hydra_context: HydraContext, master: DictConfig) -> None:
        self._loader: Any = hydra_context.config_loader
        self._master = master

    def compose(self, overrides: Sequence[str]) -> Job:
        """The job that overrides make.

        Raises:
            InputError: they cannot be composed, the config is not valid, or the data is not there.
        """
        try:
            cfg = self._loader.load_sweep_config(self._master, list(overrides))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(format_hydra_error(error)) from error
        origin = read_config_source(cfg.hydra)
        with open_dict(cfg):
            del cfg["hydra"]
        config = resolve_config(cfg, origin)
        return Job(tuple(overrides), config, origin, load_data(config.data).digest)


def varying_settings(jobs: Iterable[Job]) -> list[str]:
    """The settings that are not the same for all jobs, the seed last."""
    all_settings = [job.settings for job in jobs]
    keys = dict.fromkeys(key for settings in all_settings for key in settings)
    different = [key for key in keys if len({settings.get(key) for settings in all_settings}) > 1]
    return sorted(different, key=lambda key: key == "seed")


def shown(value: str) -> str:
    """A value as it is shown: 0.013130280280658591 as 0.01313."""
    if len(value) <= MAX_SHOWN or not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", value):
        return value
    return f"{float(value):.4g}"


def run_name(job: Job, different: Sequence[str]) -> str:
    """As of a single run, with the values that are swept: `softmax-sgd-learning_rate=0.1-s0`."""
    values = [key for key in different if key not in (*job.origin.choices, "seed")]
    names = short_names(values)
    told = [f"{names[key]}={shown(job.settings.get(key, 'default'))}" for key in values]
    start, _, seed = job.origin.run_name(job.config).rpartition("-")
    return "-".join([start, *told, seed])
