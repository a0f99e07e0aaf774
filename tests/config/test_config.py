"""The typed config: as flat settings, as YAML, as JSON schema."""

import json

from omegaconf import OmegaConf

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config, config_to_yaml, flatten_config


def test_flat_settings_have_the_paths_that_a_user_types() -> None:
    config, _ = compose_config(["model=conv_big", "train.evaluate_every=2 epochs"])
    flat = flatten_config(config)
    assert flat["model.layers.conv1.filters"] == 6
    assert flat["train.evaluate_every"] == "2 epochs"


def test_the_yaml_of_a_config_gives_the_same_config() -> None:
    config, _ = compose_config(["model=conv_batchnorm", "optim=adamw_cosine"])
    again = OmegaConf.to_container(OmegaConf.create(config_to_yaml(config)))
    assert Config.model_validate(again) == config


def test_the_json_schema_has_every_section_with_descriptions() -> None:
    schema = Config.model_json_schema()
    assert set(schema["properties"]) == set(Config.model_fields)
    assert "Images per step" in json.dumps(schema)
