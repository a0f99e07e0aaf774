"""The sections together: from Hydra's raw config to the typed one, once."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, ValidationError, model_validator

from mnistexp.config.config_groups import EXPERIMENTS
from mnistexp.config.expectation import Expectation
from mnistexp.config.sweep import SweepConfig
from mnistexp.config.validation_errors import explain
from mnistexp.dashboard import DashboardConfig, NoDashboard
from mnistexp.data import DataConfig
from mnistexp.device import DeviceConfig
from mnistexp.errors import ConfigError
from mnistexp.model import ModelConfig, NetworkConfig
from mnistexp.optim import OptimConfig
from mnistexp.schema import Section
from mnistexp.tracking import TrackingConfig
from mnistexp.train import TrainConfig
from mnistexp.version import __version__

SHARED_MODEL_SETTINGS = tuple(set(NetworkConfig.model_fields) - {"type", "layers"})
LEFT_OUT = ("tracking", "dashboard", "sweep", "expect")
"""Sections that do not bear on a result."""


class Config(Section):
    """All settings of a run."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the weights, the order of the images and dropout."""
    model: ModelConfig
    optim: OptimConfig
    data: DataConfig
    device: DeviceConfig
    train: TrainConfig
    tracking: TrackingConfig
    dashboard: DashboardConfig = Field(default_factory=lambda: NoDashboard(type="off"))
    sweep: SweepConfig = Field(default_factory=SweepConfig)
    expect: Expectation | None = None

    @property
    def unused_sections(self) -> tuple[str, ...]:
        """The sections that this kind of model has no use for."""
        return () if isinstance(self.model, NetworkConfig) else ("optim", "train")

    @model_validator(mode="after")
    def _sections_agree(self) -> "Config":
        if self.unused_sections:
            if self.dashboard.type != "off":
                raise ConfigError(
                    f"dashboard.type: expected off for {self.model.type}, which is fitted at once, "
                    f"so that there is nothing to watch. Received: {self.dashboard.type}"
                )
            if self.tracking.tensorboard:
                raise ConfigError(
                    f"tracking.tensorboard: expected false for {self.model.type}, which is fitted "
                    "at once, so that there is nothing to show. Received: true"
                )
            return self
        if self.optim.use_ema and (self.train.restore_best_weights or self.train.early_stopping):
            raise ConfigError(
                "optim.use_ema: expected false with train.restore_best_weights or "
                "train.early_stopping, which judge the weights while training, not their "
                "moving average. Received: true"
            )
        if self.train.needs_validation and self.data.validation_size == 0:
            raise ConfigError(
                f"data.validation_size: expected > 0, since {self.train.needs_validation} uses "
                "validation images. Received: 0. Else set train.evaluate_on=[] or [test]"
            )
        return self


@dataclass(frozen=True)
class ConfigSource:
    """Where a config comes from.

    choices: the chosen option of each group, `{"model": "conv_big"}`.
    overrides: as they were typed. folder: of the run, where it has one.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def overridden(self) -> list[str]:
        """What the overrides set: `model`, `train.epochs`."""
        return [override.partition("=")[0].lstrip("+~") for override in self.overrides]

    @property
    def altered_settings(self) -> list[str]:
        """Overrides by which an experiment is no longer that of its file."""
        allowed = {*EXPERIMENTS, "seed", "device", "tracking", "dashboard", "sweep"}
        return [path for path in self.overridden if path.partition(".")[0] not in allowed]

    @property
    def experiment(self) -> str | None:
        """The chosen experiment, `lab=1_0_softmax`, where there is one."""
        names = [f"{group}={self.choices[group]}" for group in EXPERIMENTS if group in self.choices]
        return names[0] if names else None

    def run_name(self, config: Config) -> str:
        """What was chosen and the seed: `conv_big-adam_decay-s0`, `lab.3_0_conv-s0`."""
        used = [name for name in ("model", "optim") if name not in config.unused_sections]
        chosen = [self.choices[name] for name in used if name in self.choices]
        start = [self.experiment.replace("=", ".")] if self.experiment else chosen
        return "-".join([*start, f"s{config.seed}"])


def resolve_config(cfg: DictConfig, origin: ConfigSource) -> Config:
    """The typed config of what Hydra composed.

    Raises:
        ConfigError: with one line for each setting that is wrong.
    """
    try:
        _check_effect(OmegaConf.to_container(cfg, resolve=False), origin)
        raw = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        where = f"{error.full_key}: " if error.full_key else ""
        raise ConfigError(where + str(error).splitlines()[0]) from error
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(error, raw, Config)) from error
    _check_sections(config, origin)
    return config


def config_hash(config: Config, data_digest: str) -> str:
    """SHA-256 of all that bears on a result: the settings, the data and the package's version.

    Left out: tracking, dashboard, sweep, what is expected, where the data files lie, which GPU is
    used, and what is at its default, so that a setting that is new makes no other run of an old
    config.
    """
    return _hash_of(config, {}, data_digest)


def seedless_hash(config: Config, data_digest: str) -> str:
    """As `config_hash`, without the seed: runs that differ in nothing else."""
    return _hash_of(config, {"seed": True}, data_digest)


def workload_hash(config: Config) -> str:
    """SHA-256 of what bears on how long a run takes: all but the optimizer and the seed."""
    return _hash_of(config, {"seed": True, "optim": True}, "")


def _hash_of(config: Config, left_out: Mapping[str, Any], data_digest: str) -> str:
    settings = config.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={
            **dict.fromkeys(LEFT_OUT, True),
            **dict.fromkeys(config.unused_sections, True),
            "data": {"directory", "url"},
            "device": {"index"},
            **left_out,
        },
    )
    # Keys are not sorted: the order of the layers matters, and that of the others is the schema's.
    relevant = {"config": settings, "data": data_digest, "version": __version__}
    return hashlib.sha256(json.dumps(relevant).encode()).hexdigest()


def flatten(config: Config) -> dict[str, Any]:
    """Every setting that is used by its path, `{"train.batch_size": 100}`."""
    flat: dict[str, Any] = {}

    def visit(path: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                visit(f"{path}.{key}" if path else key, item)
        else:
            flat[path] = value

    visit("", config.model_dump(mode="json", exclude={"sweep", *config.unused_sections}))
    return flat


def to_yaml(config: Config) -> str:
    """The resolved config as YAML."""
    settings = config.model_dump(mode="json", exclude={"sweep"})
    return OmegaConf.to_yaml(OmegaConf.create(settings))


def _check_effect(raw: Any, origin: ConfigSource) -> None:
    """A setting of the whole model that none of its layers refers to would have no effect."""
    model = raw.get("model")
    layers = json.dumps(model.get("layers")) if isinstance(model, dict) else ""
    for name in SHARED_MODEL_SETTINGS:
        used = re.search(rf"\${{(\.*|model\.){name}\b", layers)
        set_here = any(
            path == f"model.{name}" or path.startswith(f"model.{name}.")
            for path in origin.overridden
        )
        if set_here and not used:
            raise ConfigError(
                f"model.{name}: no layer of this model refers to ${{model.{name}}}, so it would "
                "have no effect. Set it for a layer: model.layers.NAME.…"
            )


def _check_sections(config: Config, origin: ConfigSource) -> None:
    """A setting of a section that this kind of model has no use for would have no effect."""
    for setting in origin.overridden:
        section, _, name = setting.partition(".")
        if name and section in config.unused_sections:
            raise ConfigError(
                f"{setting}: model={config.model.type} does not use {section}, so it would have "
                "no effect. Leave it out"
            )
