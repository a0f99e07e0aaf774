"""`mnistexp new`: the written files are valid as they are, and nothing is overwritten."""

import re
from pathlib import Path

import pytest
from support import Command

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.model import NetworkConfig


def test_a_new_experiment_is_valid_and_the_next_command_is_printed(
    mnistexp: Command, tmp_path: Path
) -> None:
    out = mnistexp("new", "experiment", "mine").out
    assert out.startswith("experiments/user/mine.yaml: written.")
    assert out.endswith("  mnistexp user=mine\n")
    config, source = compose_config(["user=mine"])
    assert source.experiment == "user=mine"
    assert config.expect is not None
    text = (tmp_path / "experiments" / "user" / "mine.yaml").read_text()
    assert text.startswith("# @package _global_\n# mine: ")


@pytest.mark.parametrize("model", [None, *list_groups()["model"]])
def test_a_new_model_equals_the_one_that_it_is_copied_from(
    mnistexp: Command, model: str | None
) -> None:
    assert mnistexp("new", "model", "mine", *(["--from", model] if model else [])).exit_code == 0
    copied = compose_config(["model=mine"])[0]
    original = compose_config([f"model={model or 'two_layers'}"])[0]
    assert copied == original


def test_the_comment_of_a_new_model_names_no_number_of_classes(
    mnistexp: Command, tmp_path: Path
) -> None:
    mnistexp("new", "model", "mine")
    text = (tmp_path / "conf" / "model" / "mine.yaml").read_text()
    assert "ten units" not in text
    assert "one unit for each class" in text


@pytest.mark.parametrize("base", ["3_1_conv_big", "lab=3_1_conv_big"])
def test_a_new_experiment_can_be_a_copy(mnistexp: Command, tmp_path: Path, base: str) -> None:
    assert mnistexp("new", "experiment", "mine", "--from", base).exit_code == 0
    assert mnistexp("new", "experiment", "again", "--from", "mine").exit_code == 0
    copy = (tmp_path / "experiments" / "user" / "again.yaml").read_text()
    assert re.findall("# claim: what .*", copy) == re.findall("# claim: .*", copy)[:1] != []
    assert compose_config(["user=again"])[0] == compose_config(["lab=3_1_conv_big"])[0]


def test_the_layers_of_a_new_model_can_be_changed_in_the_file(
    mnistexp: Command, tmp_path: Path
) -> None:
    mnistexp("new", "model", "mine", "--from", "conv_big")
    file = tmp_path / "conf" / "model" / "mine.yaml"
    file.write_text(file.read_text().replace("units: 200", "units: 50"))
    model = compose_config(["model=mine"])[0].model
    assert isinstance(model, NetworkConfig)
    assert "units=50" in repr(model.layers["hidden"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "taken"], "conf/model/taken.yaml: expected a new name"),
        (
            ["model", "conv"],
            "NAME: .*'conv'; model=conv exists. .*mnistexp new model my_conv --from conv$",
        ),
        (["model", "5"], "NAME: expected a name of letters, digits and _"),
        (["model", "on"], "NAME: expected a name of letters, digits and _"),
        (["model", "../x"], "NAME: expected a name of letters, digits and _"),
        (["model", "x", "--from", "conv_bg"], "--from: expected one of .*Did you mean conv_big"),
        (["experiment", "x", "--from", "3_1"], "--from: expected an experiment, such as lab="),
        (
            ["experiment", "x", "--from", "lab=1_0_sofmax"],
            r"mnistexp --help lists them\. Received: 'lab=1_0_sofmax'\. Did you mean lab=1_0_soft",
        ),
    ],
)
def test_a_wrong_name_is_refused_and_nothing_is_overwritten(
    mnistexp: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert mnistexp("new", "model", "taken").exit_code == 0
    file = tmp_path / "conf" / "model" / "taken.yaml"
    file.write_text("changed: by hand\n")
    outcome = mnistexp("new", *arguments)
    assert outcome.exit_code == 2
    assert re.search(message, outcome.err)
    assert len(outcome.err) < 400
    assert file.read_text() == "changed: by hand\n"
    assert len(list(tmp_path.rglob("*.yaml"))) == 1


def test_the_base_of_a_new_file_is_completed(mnistexp: Command) -> None:
    def complete(line: str) -> list[str]:
        out = mnistexp("completion", "--shell", "fish", "--complete", f"mnistexp new {line}").out
        return out.splitlines()

    assert complete("mo") == ["model"]
    assert "conv_big" in complete("model mine --from conv")
    assert complete("experiment mine --from 3_1_conv_big_d") == ["3_1_conv_big_dropout"]
    assert complete("experiment mine --from lab=1_0_softmax_") == [
        "lab=1_0_softmax_long",
        "lab=1_0_softmax_text",
    ]
