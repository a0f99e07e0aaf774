"""The JSON schemas by which an editor completes and checks YAML files."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from omegaconf import OmegaConf
from support import Command, write_user_experiment

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, package_folder
from mnistexp.config.json_schema import file_schemas

SCHEMAS = file_schemas()
CONF = [
    path for name in SCHEMAS if (package_folder("conf") / name).is_dir()
    for path in sorted((package_folder("conf") / name).glob("*.yaml"))
]  # fmt: skip
EXPERIMENT_FILES = sorted(package_folder("experiments").glob("*/*.yaml"))


def read(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def complaints(schema: str, content: Any) -> list[str]:
    found = jsonschema.Draft7Validator(SCHEMAS[schema]).iter_errors(content)
    return [f"{error.json_path}: {error.message}" for error in found]


def of_yaml(schema: str, text: str) -> list[str]:
    return complaints(schema, OmegaConf.to_container(OmegaConf.create(text), resolve=False))


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[name])


def test_every_group_but_hydras_has_one() -> None:
    folders = {path.parent for path in package_folder("conf").glob("*/**/*.yaml")}
    groups = {str(folder.relative_to(package_folder("conf"))) for folder in folders}
    assert {name for name in groups if not name.startswith("hydra/")} <= set(SCHEMAS)


@pytest.mark.parametrize("path", CONF, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_options_that_ship_are_valid(path: Path) -> None:
    group = str(path.parent.relative_to(package_folder("conf")))
    assert complaints(group, read(path)) == []


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_experiments_that_ship_are_valid(path: Path) -> None:
    assert complaints("experiment", read(path)) == []


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
        ("optim", "defaults: [decay: cosin]"),
        ("optim", "learning_rate: -1"),
        ("optim/decay", "{type: cosine, rate: 0.5}"),
        ("data", "validation_size: -5"),
        ("device", "xla: sometimes"),
        ("tracking", "uris: sqlite:///x.db"),
    ],
)
def test_a_mistake_is_refused(schema: str, text: str) -> None:
    assert of_yaml(schema, text)


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
        ("model", "layers: {logits: {type: dense, units: 10, kernel_initializer: 0.5}}"),
        ("optim", "{defaults: [decay: one_cycle], decay: {warmup_fraction: 0.2}}"),
    ],
)
def test_a_part_of_a_config_is_allowed(schema: str, text: str) -> None:
    assert of_yaml(schema, text) == []


def test_editors_find_what_a_setting_means() -> None:
    settings = SCHEMAS["experiment"]["$defs"]["TrainConfig"]["properties"]
    assert settings["batch_size"]["default"] == 100
    assert settings["batch_size"]["description"].startswith("Images per step.")
    assert SCHEMAS["model"]["properties"]["layers"]["description"].startswith("From the image")


def test_the_whole_schema_is_printed_and_those_of_the_files(mnistexp: Command) -> None:
    whole = json.loads(mnistexp("schema").out)
    assert "required" in whole
    assert json.loads(mnistexp("schema", "optim/decay").out) == SCHEMAS["optim/decay"]
    for group in EXPERIMENT_GROUPS:
        assert json.loads(mnistexp("schema", group).out) == SCHEMAS["experiment"]
    outcome = mnistexp("schema", "modle")
    assert outcome.exit_code == 2
    assert "Did you mean model" in outcome.err


def test_written_for_an_editor_and_named_by_a_file(mnistexp: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text("activation: relu\n")
    out = mnistexp("schema", "--write", ".schemas", "--config-dir", "mine").out
    package, line = out.strip().splitlines()[-2:]
    write_user_experiment(tmp_path, "mine", "defaults:\n  - override /model: tiny\nseed: 5\n")
    file = tmp_path / "experiments" / "user" / "mine.yaml"
    file.write_text(file.read_text().replace(package, f"{package}\n{line}"))
    named = file.parent / line.partition("$schema=")[2]
    schema = json.loads(named.read_text())
    jsonschema.validate(read(file), schema, jsonschema.Draft7Validator)
    assert {path.name for path in named.parent.iterdir()} == {
        f"{name.replace('/', '.')}.json" for name in SCHEMAS
    }
    outcome = mnistexp("--config-dir", "mine", "user=mine", "--cfg", "job")
    assert "\nseed: 5" in f"\n{outcome.out}", outcome.err
