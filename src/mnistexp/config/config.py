"""The typed config of a run: all sections, and the rules between them."""

from typing import Annotated, Any

from omegaconf import OmegaConf
from pydantic import Field, model_validator

from mnistexp.augmentation import AugmentationConfig
from mnistexp.config.expectation import Expectation
from mnistexp.config.sweep import SweepConfig
from mnistexp.dashboard import DashboardConfig, NoDashboardConfig
from mnistexp.data import DataConfig
from mnistexp.device import DeviceConfig
from mnistexp.errors import ConfigError
from mnistexp.model import ModelConfig, NetworkConfig, check_width
from mnistexp.model.layers import BatchNormalization, walk_layers
from mnistexp.optim import OptimConfig, default_learning_rate
from mnistexp.schema import Section
from mnistexp.tracking import TrackingConfig
from mnistexp.train import TrainConfig

NETWORK_SECTIONS = ("optim", "train", "augmentation")
"""Sections that have an effect on the training of a network only."""
SHARED_MODEL_SETTINGS = tuple(
    name for name in NetworkConfig.model_fields if name not in ("type", "layers")
)
"""Settings of the whole network, such as `activation`, that layers refer to."""


class Config(Section):
    """All settings of a run."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the initial weights, the order of the images, dropout and augmentation."""
    model: ModelConfig
    optim: OptimConfig
    data: DataConfig
    augmentation: AugmentationConfig = AugmentationConfig()
    device: DeviceConfig
    train: TrainConfig
    tracking: TrackingConfig
    dashboard: DashboardConfig = Field(default_factory=lambda: NoDashboardConfig(type="off"))
    sweep: SweepConfig = Field(default_factory=SweepConfig)
    expect: Expectation | None = None

    @property
    def unused_sections(self) -> tuple[str, ...]:
        """The sections that have no effect for this type of model."""
        return () if isinstance(self.model, NetworkConfig) else NETWORK_SECTIONS

    @model_validator(mode="before")
    @classmethod
    def _complete_learning_rate(cls, settings: Any) -> Any:
        """Set the learning rate that suits optimizer and network, unless one is set."""
        optim = settings.get("optim") if isinstance(settings, dict) else None
        if not isinstance(optim, dict) or optim.get("learning_rate") is not None:
            return settings
        rate = default_learning_rate(optim, _count_weighted_layers(settings.get("model")))
        return {**settings, "optim": {**optim, "learning_rate": rate}}

    @model_validator(mode="after")
    def _check_sections_agree(self) -> "Config":
        if not self.data.use_test:
            self._check_unused_test()
        if isinstance(self.model, NetworkConfig):
            self._check_network_training()
        else:
            self._check_classical_model()
        return self

    def _check_unused_test(self) -> None:
        """Refuse settings that need test images where the run must not read them."""
        unused = "since data.use_test=false leaves the test images unread"
        if self.data.validation_size == 0:
            raise ConfigError(
                f"data.validation_size: expected > 0, {unused}. Received: 0. Set the number of "
                "training images that measure the model instead, such as 5000"
            )
        if "test" in self.train.evaluate_on:
            raise ConfigError(
                f"train.evaluate_on: expected [validation], {unused}. Received: "
                f"{self.train.evaluate_on}"
            )
        if self.dashboard.type != "off":
            raise ConfigError(
                f"dashboard.type: expected off, {unused}, and a recording shows them. Received: "
                f"{self.dashboard.type}"
            )

    def _check_classical_model(self) -> None:
        if self.dashboard.type != "off":
            raise ConfigError(
                f"dashboard.type: expected off, since {self.model.type} has no training steps to "
                f"record. Received: {self.dashboard.type}"
            )
        if not self.augmentation.is_off:
            raise ConfigError(
                f"augmentation: expected none, since {self.model.type} has no training steps. "
                "Received: changes of the images"
            )
        if self.tracking.tensorboard:
            raise ConfigError(
                f"tracking.tensorboard: expected false, since {self.model.type} has no training "
                "steps to record. Received: true"
            )

    def _check_network_training(self) -> None:
        assert isinstance(self.model, NetworkConfig)
        check_width(self.model.layers, self.data.num_classes)
        if self.device.parts_per_batch > 1:
            self._check_parts_per_batch(self.model)
        setting = self.train.setting_that_needs_validation
        if setting and self.data.validation_size == 0:
            raise ConfigError(
                f"data.validation_size: expected > 0, since {setting} uses "
                "validation images. Received: 0. Alternatively set train.evaluate_on=[] or [test]"
            )

    def _check_parts_per_batch(self, model: NetworkConfig) -> None:
        parts = self.device.parts_per_batch
        if parts > self.train.batch_size:
            raise ConfigError(
                f"device.parts_per_batch: expected at most {self.train.batch_size}, the images of "
                f"a batch. Received: {parts}"
            )
        for name, layer in walk_layers(model.layers):
            keras_class = getattr(layer, "class_name", "")
            if isinstance(layer, BatchNormalization) or keras_class == "BatchNormalization":
                raise ConfigError(
                    f"device.parts_per_batch: expected 1, since layer {name} normalizes by mean "
                    f"and variance of the whole batch. Received: {parts}"
                )


def _count_weighted_layers(model: Any) -> int:
    """Return the number of layers with weights of a section `model` that is not validated yet."""
    layers = model.get("layers") if isinstance(model, dict) else None
    found = (
        [layer for layer in layers.values() if isinstance(layer, dict)]
        if isinstance(layers, dict)
        else []
    )
    inside = sum(_count_weighted_layers(layer) for layer in found)  # Of residual blocks.
    return inside + sum(layer.get("type") in ("dense", "conv2d", "keras") for layer in found)


def usual_learning_rate(config: Config) -> float:
    """Return the learning rate that this optimizer and network would have if none were set."""
    return default_learning_rate(
        config.optim.model_dump(), _count_weighted_layers(config.model.model_dump())
    )


def flatten_config(config: Config) -> dict[str, Any]:
    """Return the settings that have an effect, by path: `{"train.batch_size": 100}`."""
    flat: dict[str, Any] = {}

    def visit(path: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                visit(f"{path}.{key}" if path else key, item)
        else:
            flat[path] = value

    visit("", config.model_dump(mode="json", exclude={"sweep", *config.unused_sections}))
    return flat


def config_to_yaml(config: Config) -> str:
    """Return the resolved config as YAML, without the section `sweep`."""
    settings = config.model_dump(mode="json", exclude={"sweep"})
    return OmegaConf.to_yaml(OmegaConf.create(settings))
