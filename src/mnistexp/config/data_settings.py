"""Settings of the data that depend on its files: the number of classes, for example."""

import re
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from mnistexp.config.config_source import OPTIONS_OF_DEFAULT_DATA, ConfigSource
from mnistexp.data import DataConfig, known_name, measure_data

VALIDATION_FRACTION = 0.1
"""Of the training images, if the default number of validation images would be more."""


def complete_data_settings(cfg: DictConfig, source: ConfigSource) -> None:
    """Set what is read from the data, unless the user has set it.

    These are `num_classes`, to which the last layer of a model refers, and, with `data.directory`
    and no other choice of data, the name of the data set and a validation split of a tenth.

    Args:
        cfg: the composed config, which is changed.
        source: what it was composed from.

    Raises:
        DataError: the data cannot be found or read.
    """
    data = cfg.get("data")
    if not isinstance(data, DictConfig) or not _is_incomplete(data, source):
        return
    overridden = set(source.overridden)
    is_default = source.choices.get("data") in OPTIONS_OF_DEFAULT_DATA and "data" not in overridden
    with open_dict(data):
        if is_default and "data.name" not in overridden:
            data["name"] = _name_of(str(data["directory"]))
        settings = _read_settings(data)
        if settings is None:
            return
        size = measure_data(settings)
        data["num_classes"] = size.num_classes
        if is_default and "data.name" not in overridden:  # A copy of MNIST is still MNIST.
            data["name"] = known_name(size.digest) or data["name"]
        limit = int(VALIDATION_FRACTION * size.num_training)
        if is_default and "data.validation_size" not in overridden:
            data["validation_size"] = min(settings.validation_size, limit)


def _is_incomplete(data: DictConfig, source: ConfigSource) -> bool:
    if "data.num_classes" in source.overridden:
        return False
    try:
        return data.get("num_classes") is None or data.get("directory") is not None
    except OmegaConfBaseException:  # A wrong reference is reported when the config is resolved.
        return False


def _name_of(directory: str) -> str:
    """Return the name of the folder, or of the file without its ending, in allowed characters."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(directory).expanduser().absolute().stem)
    return name or "data"


def _read_settings(data: DictConfig) -> DataConfig | None:
    """Return the settings; None if they are wrong, which is reported when all are validated."""
    try:
        values = OmegaConf.to_container(data, resolve=True)
        assert isinstance(values, dict)
        given = {str(name): value for name, value in values.items() if name != "num_classes"}
        return DataConfig.model_validate(given)
    except (OmegaConfBaseException, ValidationError):
        return None
