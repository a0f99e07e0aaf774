"""The command line: help, version, and the messages about wrong arguments."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import Command

from mnistexp.cli import COMMAND_NAMES
from mnistexp.config.config_groups import list_groups
from mnistexp.version import __version__


def read_table(text: str) -> dict[str, list[str]]:
    """Return the words of the second column by the name in the first column.

    A long text continues on the next, indented line.
    """
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := re.match(r"^  (\S+) +(\S.*)$", line):
            name = found[1]
            rows[name] = found[2].split()
        elif re.match(r"^ {4,}\S", line):
            rows[name] += line.split()
    return rows


def test_help_lists_every_command_and_every_group_with_its_options(mnistexp: Command) -> None:
    outcome = mnistexp("--help")
    assert outcome.exit_code == 0
    groups, commands = (
        read_table(part) for part in outcome.out.split("Groups and")[1].split("Comm")
    )
    assert groups == list_groups()
    assert set(commands) == set(COMMAND_NAMES)
    assert all(commands.values()), "a command without a description"
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_each_example_of_the_help_is_on_one_line(mnistexp: Command) -> None:
    examples = mnistexp("--help").out.split("mnistexp COMMAND")[1].split("Groups and")[0]
    lines = [line for line in examples.splitlines() if line.strip()]
    assert len(lines) == 6
    assert all(line.startswith("  mnistexp") for line in lines)


def test_help_is_printed_when_settings_precede_the_option(mnistexp: Command) -> None:
    assert "Groups and their options" in mnistexp("model=conv", "--help").out


def test_the_version_is_that_of_the_package(mnistexp: Command) -> None:
    assert mnistexp("--version").out == f"mnistexp {__version__}\n"


def test_the_paragraphs_of_a_help_text_fill_the_width(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.strip() for line in mnistexp("resume", "--help").out.splitlines()]
    begin = lines.index("With another length it is a new run, and the old one is kept.")
    assert lines[begin - 1].endswith("without an interruption.")


def test_the_help_of_a_command_lists_its_options(mnistexp: Command) -> None:
    outcome = mnistexp("ui", "--help")
    assert outcome.exit_code == 0
    assert "--port" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv_big"], "Did you mean model=conv_big?"),
        (["uii"], "Did you mean ui?"),
        (["--multirunn"], "--multirunn: unknown option. Did you mean --multirun"),
        (["train.epochs=0"], "train.epochs: expected a number > 0. Received: 0"),
        (["--resolve"], "--resolve: expected together with --cfg job"),
        (["-m", "model=conv_bg,softmax"], "Did you mean conv_big"),
        (["new", "optim", "x"], "KIND: expected one of experiment, model. Received: 'optim'"),
        (["new", "modl", "x"], "Did you mean model? mnistexp new --help"),
        (
            ["new", "model"],
            "NAME: expected a value. Received: nothing. Write mnistexp new KIND NAME",
        ),
        (["predict", "7.png"], "IMAGES: expected a value. Received: nothing. Write mnistexp predi"),
        (["new", "model", "x", "--form", "y"], "--form: unknown option. Did you mean --from? m"),
        (["new", "model", "x", "--from"], "Option '--from' requires an argument. mnistexp new"),
        (["verify", "lab", "--seeds", "0"], "--seeds: expected a value greater than or equal"),
        (["compare", "--format", "cvs"], "--format: expected one of table, csv, json, markdown"),
        (["doctor", "x"], "expected no more arguments. Received: x. mnistexp doctor --help"),
        (["--version", "x"], "mnistexp --help"),
    ],
)
def test_wrong_arguments_give_one_line_and_exit_code_2(
    mnistexp: Command, arguments: list[str], message: str
) -> None:
    outcome = mnistexp(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert outcome.err.startswith("error: ")


def test_wrong_settings_create_no_files(mnistexp: Command, tmp_path: Path) -> None:
    mnistexp("train.epochs=0")
    mnistexp("model=conv", "model.layers.flatten=null", "model.layers.hidden=null")
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_error_is_one_line_that_names_the_file_of_its_traceback(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(overrides: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr("mnistexp.commands.run.compose_config", fail)
    outcome = mnistexp("model=conv")
    assert outcome.exit_code == 1
    assert outcome.err.startswith("error: unexpected ZeroDivisionError: first line. ")
    assert outcome.err.count("\n") == 1
    traceback = Path(outcome.err.strip().rpartition("Traceback: ")[2])
    assert 'raise ZeroDivisionError("first line' in traceback.read_text()
    traceback.unlink()


def test_a_reader_that_ends_early_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mnistexp", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stderr:
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_file_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mnistexp: Command
) -> None:
    monkeypatch.setattr("mnistexp.cli._dispatch", lambda _: tmp_path.write_text("a folder"))
    result = mnistexp("report")
    assert result.exit_code == 2
    assert result.err == (
        f"error: {tmp_path}: expected a file or folder that can be read and written. "
        "Received: Is a directory\n"
    )
