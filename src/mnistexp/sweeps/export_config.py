"""The choices and settings of a run as a file that can be run again."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mnistexp.config.config_source import ConfigSource

HEADER = """\
# @package _global_
# The best of a sweep. As experiments/user/best.yaml of the working folder it is run by
#
#   mnistexp user=best
#
"""


def export_config(origin: ConfigSource) -> str:
    """A file for a group of experiments: the choices as its defaults, and the settings."""
    parser = OverridesParser.create()
    defaults = []
    settings = OmegaConf.create({})
    for text in origin.overrides:
        override = parser.parse_override(text)
        key, value = override.key_or_group, override.value()
        if key in origin.choices:
            defaults.append({f"override /{key}": value})
        else:
            OmegaConf.update(settings, key, value, force_add=True)
    content: dict[str, Any] = {"defaults": defaults} if defaults else {}
    return HEADER + OmegaConf.to_yaml(OmegaConf.merge(content, settings))
