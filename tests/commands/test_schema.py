"""`mnistexp schema`: the printed and the written JSON schemas."""

import json
from pathlib import Path

import jsonschema
from omegaconf import OmegaConf
from support import Command, write_user_experiment

from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.config.json_schema import file_schemas


def test_the_schema_of_the_config_or_of_a_kind_of_file_is_printed(mnistexp: Command) -> None:
    schemas = file_schemas()
    whole = json.loads(mnistexp("schema").out)
    assert "required" in whole
    assert json.loads(mnistexp("schema", "optim/decay").out) == schemas["optim/decay"]
    for group in EXPERIMENT_GROUPS:
        assert json.loads(mnistexp("schema", group).out) == schemas["experiment"]
    outcome = mnistexp("schema", "modle")
    assert outcome.exit_code == 2
    assert "Did you mean model" in outcome.err


TINY_MODEL = """activation: relu
layers:
  flatten: {type: flatten}
  logits: {type: dense, units: 10}
"""


def test_an_editor_finds_the_written_schema_by_the_printed_comment(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text(TINY_MODEL)
    out = mnistexp("schema", "--write", ".schemas", "--config-dir", "mine").out
    package, line = out.strip().splitlines()[-2:]
    write_user_experiment(tmp_path, "mine", "defaults:\n  - override /model: tiny\nseed: 5\n")
    file = tmp_path / "experiments" / "user" / "mine.yaml"
    file.write_text(file.read_text().replace(package, f"{package}\n{line}"))
    named = file.parent / line.partition("$schema=")[2]
    schema = json.loads(named.read_text())
    content = OmegaConf.to_container(OmegaConf.load(file))
    jsonschema.validate(content, schema, jsonschema.Draft7Validator)
    assert {path.name for path in named.parent.iterdir()} == {
        f"{name.replace('/', '.')}.json" for name in file_schemas()
    }
    outcome = mnistexp("--config-dir", "mine", "user=mine", "--cfg", "job")
    assert "\nseed: 5" in f"\n{outcome.out}", outcome.err
