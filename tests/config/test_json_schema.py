"""The JSON schemas by which an editor completes and checks YAML files."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from omegaconf import OmegaConf

from mnistexp.config.config_groups import package_folder
from mnistexp.config.json_schema import file_schemas

SCHEMAS = file_schemas()
CONF = [
    path for name in SCHEMAS if (package_folder("conf") / name).is_dir()
    for path in sorted((package_folder("conf") / name).glob("*.yaml"))
]  # fmt: skip
EXPERIMENT_FILES = sorted(package_folder("experiments").glob("*/*.yaml"))


def read(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def error_messages(schema: str, content: Any) -> list[str]:
    errors = jsonschema.Draft7Validator(SCHEMAS[schema]).iter_errors(content)
    return [f"{error.json_path}: {error.message}" for error in errors]


def errors_in_yaml(schema: str, text: str) -> list[str]:
    return error_messages(schema, OmegaConf.to_container(OmegaConf.create(text), resolve=False))


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_valid(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[name])


def test_each_group_except_hydras_has_a_schema() -> None:
    folders = {path.parent for path in package_folder("conf").glob("*/**/*.yaml")}
    groups = {str(folder.relative_to(package_folder("conf"))) for folder in folders}
    assert {name for name in groups if not name.startswith("hydra/")} <= set(SCHEMAS)


@pytest.mark.parametrize("path", CONF, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_option_of_the_package_is_valid(path: Path) -> None:
    group = str(path.parent.relative_to(package_folder("conf")))
    assert error_messages(group, read(path)) == []


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_each_experiment_of_the_package_is_valid(path: Path) -> None:
    assert error_messages("experiment", read(path)) == []


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("experiment", "train: {epoch: 3}"),
        ("experiment", "trian: {epochs: 3}"),
        ("experiment", "train: {epochs: 0}"),
        ("experiment", "train: {epochs: three}"),
        ("experiment", "train: {shuffle: twice}"),
        ("experiment", "optim: {decay: {typ: cosine}}"),
        ("experiment", "optim: {type: sgd, beta_1: 0.5}"),
        ("experiment", "optim: {decay: {type: cosine, decay_steps: 5}}"),
        ("experiment", "model: {layers: {hidden1: {unit: 5}}}"),
        ("experiment", "model: {layers: {hidden1: {type: dens}}}"),
        ("experiment", "model: {layers: {hidden1: {type: flatten, units: 5}}}"),
        ("experiment", "model: {layers: {no name: {type: flatten}}}"),
        ("experiment", "model: {type: random_forest, layers: {}}"),
        ("experiment", "model: {kernel_initializer: {type: zeroes}}"),
        ("experiment", "expect: {test_accuracy: [0.9, 1.1]}"),
        ("experiment", "expect: {test_accuracy: [0.9, 0.91, 0.92]}"),
        ("experiment", "defaults: [override /modle: conv]"),
        ("experiment", "defaults: [override /model: conv_bg]"),
        ("model", "activaton: relu"),
        ("model", "train: {epochs: 3}"),
        ("model", "defaults: [override /optim@_global_.optim: sdg]"),
        ("optim", "defaults: [decay: cosin]"),
        ("optim", "learning_rate: -1"),
        ("optim/decay", "{type: cosine, rate: 0.5}"),
        ("data", "validation_size: -5"),
        ("device", "xla: sometimes"),
        ("tracking", "uris: sqlite:///x.db"),
    ],
)
def test_a_mistake_is_an_error(schema: str, text: str) -> None:
    assert errors_in_yaml(schema, text)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("experiment", "seed: 3"),
        ("experiment", "train: {epochs: '${seed}', log_every: 2 epochs, evaluate_on: [test]}"),
        ("experiment", "model: {layers: {dropout: null, hidden1: {units: '${model.width}'}}}"),
        ("experiment", "defaults: [override /optim/decay: cosine, override /data: mnist, _self_]"),
        ("experiment", "tracking: {tags: {purpose: homework}}"),
        ("experiment", "train: {early_stopping: {patience: 3}}"),
        ("experiment", "train: {early_stopping: null}"),
        ("model", "{defaults: [conv, _self_], activation: tanh}"),
        ("model", "defaults: [override /optim@_global_.optim: sgd]"),
        ("model", "layers: {logits: {type: dense, units: 10, kernel_initializer: 0.5}}"),
        ("optim", "{defaults: [decay: one_cycle], decay: {warmup_fraction: 0.2}}"),
    ],
)
def test_a_part_of_a_config_is_allowed(schema: str, text: str) -> None:
    assert errors_in_yaml(schema, text) == []


def test_a_setting_has_its_description_and_default() -> None:
    settings = SCHEMAS["experiment"]["$defs"]["TrainConfig"]["properties"]
    assert settings["batch_size"]["default"] == 100
    assert settings["batch_size"]["description"].startswith("Images per step.")
    assert SCHEMAS["model"]["properties"]["layers"]["description"].startswith("The layers")
