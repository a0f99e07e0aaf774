"""The command line: what words lead where, what is printed, and the exit codes."""

import re
from pathlib import Path

import pytest
from support import QUICK, Command

from mnistexp.config.config_groups import list_groups
from mnistexp.version import __version__


def test_help_lists_the_groups_their_options_and_the_commands(mnistexp: Command) -> None:
    outcome = mnistexp("--help")
    assert outcome.exit_code == 0
    for group, options in list_groups().items():
        assert group in outcome.out
        for option in options:
            assert option in outcome.out
    for command in ("ui", "schema"):
        assert command in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_help_is_found_behind_settings_too(mnistexp: Command) -> None:
    assert "Groups and their options" in mnistexp("model=conv", "--help").out


def test_version(mnistexp: Command) -> None:
    assert mnistexp("--version").out == f"mnistexp {__version__}\n"


def test_a_command_explains_itself(mnistexp: Command) -> None:
    outcome = mnistexp("ui", "--help")
    assert outcome.exit_code == 0
    assert "--port" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["conv_big"], "Did you mean model=conv_big?"),
        (["uii"], "Did you mean ui?"),
        (["--multirunn"], "--multirunn: unknown option. Did you mean --multirun"),
        (["train.epochs=0"], "train.epochs: expected a number > 0. Received: 0"),
        (["--resolve"], "--resolve: expected beside --cfg job"),
        (["-m", "model=conv_bg,softmax"], "Did you mean conv_big"),
    ],
)
def test_wrong_words_get_one_line_and_exit_code_2(
    mnistexp: Command, arguments: list[str], complaint: str
) -> None:
    outcome = mnistexp(*arguments)
    assert outcome.exit_code == 2
    assert complaint in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert outcome.err.startswith("error: ")


def test_wrong_input_leaves_nothing_behind(mnistexp: Command, tmp_path: Path) -> None:
    mnistexp("train.epochs=0")
    mnistexp("model.layers.logits.units=11")
    assert list(tmp_path.iterdir()) == []


def test_a_run_ends_with_a_table_and_how_to_open_it(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "train.evaluate_on=[validation,test]")
    assert outcome.exit_code == 0
    for row in (
        *("train accuracy", "validation accuracy", "test accuracy", "test accuracy, maximum"),
        *("seconds", "images per second", "parameters", "run id"),
    ):
        assert re.search(rf"^{row} +\S", outcome.out, re.MULTILINE), row
    assert "mnistexp ui" in outcome.out
    assert outcome.err == ""
    assert max(len(line.rstrip()) for line in outcome.out.splitlines()[2:]) <= 80


def test_show_the_settings_and_run_nothing(mnistexp: Command) -> None:
    outcome = mnistexp("model=conv", "seed=5", "--cfg", "job")
    assert outcome.exit_code == 0
    assert "seed: 5" in outcome.out
    assert "kernel_size: 5" in outcome.out


def test_another_store_is_named_where_it_is_opened(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "tracking.uri=sqlite:///other.db")
    assert "mnistexp ui --uri sqlite:///other.db" in outcome.out


def test_the_table_says_which_device_was_taken(mnistexp: Command) -> None:
    out = mnistexp(*QUICK, "device.xla=on").out
    assert re.search(r"^device +.*cores, float32, XLA", out, re.MULTILINE)


def test_a_training_that_diverges_ends_with_exit_code_1(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "optim.learning_rate=1e30", "model=two_layers")
    assert outcome.exit_code == 1
    assert re.match(r"error: the loss became (nan|inf) at step \d+\. Try", outcome.err)


def test_a_port_that_is_taken_is_told(mnistexp: Command) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = mnistexp("ui", "--port", str(port))
    assert outcome.exit_code == 2
    assert f"Try --port {port + 1}" in outcome.err


def test_groups_of_ones_own_are_chosen_as_ours_are(mnistexp: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text(
        "layers: {flatten: {type: flatten}, logits: {type: dense, units: 10}}\n"
    )
    outcome = mnistexp("--config-dir", "mine", "model=tiny", *QUICK)
    assert outcome.exit_code == 0, outcome.err
    assert re.search(r"^parameters +7,850", outcome.out, re.MULTILINE)


def test_an_experiment_of_ones_own_is_found_in_the_working_folder(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "experiments" / "user").mkdir(parents=True)
    (tmp_path / "experiments" / "user" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: two_layers\nseed: 5\n"
    )
    assert "mine" in mnistexp("--help").out
    outcome = mnistexp("user=mine", "--cfg", "job")
    assert "seed: 5" in outcome.out
    assert "seed: 6" in mnistexp("user=mine", "seed=6", "--cfg", "job").out
    assert mnistexp("-m", "user=glob(*)", *QUICK).exit_code == 0
