"""`mnistexp completion`: the completions of a line, and that real shells insert them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from support import Command

from mnistexp.config.config_groups import list_groups


def complete(mnistexp: Command, line: str) -> list[str]:
    return mnistexp(
        "completion", "--shell", "fish", "--complete", f"mnistexp {line}"
    ).out.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model=con", ["model=conv", "model=conv_batchnorm", "model=conv_big"]),
        ("-m optim=sgd,ada", ["optim=sgd,adam", "optim=sgd,adam_decay"]),
        ("model=conv_big model.layers.dr", ["model.layers.dropout."]),
        ("ui --p", ["--port"]),
        ("completion --shell f", ["fish"]),
        ("verify 3_0", ["3_0_conv", "3_0_conv_max_pooling"]),
        ("evaluate be", ["best"]),
        ("schema opt", ["optim", "optim/decay"]),
        ("--mul", ["--multirun"]),
        ("--cfg j", ["job"]),
        ("sch", ["schema"]),
        ("train.no_such", []),
        ("model=conv 'seed=", []),
    ],
)
def test_the_last_word_of_a_line_is_completed(
    mnistexp: Command, line: str, expected: list[str]
) -> None:
    completions = complete(mnistexp, line)
    assert set(expected) <= set(completions)
    assert all(text.startswith(line.split(" ")[-1]) for text in completions)
    assert bool(completions) == bool(expected)


def test_the_first_word_can_be_a_command_a_group_or_a_section(mnistexp: Command) -> None:
    completions = set(complete(mnistexp, ""))
    assert {"ui", "verify", "doctor", "seed=", "train."} <= completions
    assert {f"{group}=" for group in list_groups()} <= completions


def test_only_the_first_word_can_be_a_command(mnistexp: Command) -> None:
    assert "ui" not in complete(mnistexp, "seed=1 ")


def test_run_names_come_from_the_store_that_the_line_names(
    mnistexp: Command, copied_store: Path
) -> None:
    other = copied_store.rename(copied_store.with_name("other.db"))
    found = complete(mnistexp, f"evaluate --uri sqlite:///{other} two")
    assert found == ["two_layers-adam_decay-epochs=2-s3"]
    assert complete(mnistexp, "evaluate two_") == []


def complete_in_process(line: str, folder: Path) -> list[str]:
    """Complete a line in a new process, which must not import a library that loads slowly."""
    code = f"""
import sys
sys.argv = ["mnistexp", "completion", "--shell", "bash", "--complete", "mnistexp {line}"]
from mnistexp.cli import main
try:
    main()
except SystemExit:
    pass
loaded = {{"tensorflow", "keras", "mlflow", "hydra", "pandas"}} & set(sys.modules)
assert not loaded, loaded
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_completion_of_runs_creates_no_store_and_loads_nothing_heavy(tmp_path: Path) -> None:
    assert "best" in complete_in_process("evaluate ", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_setting_of_a_layer_is_completed_without_loading_anything_heavy(tmp_path: Path) -> None:
    assert "model.layers.conv1." in complete_in_process("model=conv_big model.layers.", tmp_path)


SHELLS = {
    "bash": ("--norc --noprofile", 'bind -x \'"\\C-x": "echo \\"LINE[$READLINE_LINE]\\""\''),
    "zsh": ("-f", "show() { print \"LINE[$BUFFER]\" }; zle -N show; bindkey '^X' show"),
    "fish": ("--no-config", "bind \\cx 'echo LINE[(commandline)]'"),
}
"""Options to start a shell without settings, and the command that makes Ctrl-X print the line."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_after_one_command(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    plain, show = SHELLS[shell]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("XDG_")},
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "dumb",
    }
    with pexpect.spawn(
        f"{shell} {plain} -i", cwd=tmp_path, env=environment, encoding="utf-8", timeout=20
    ) as terminal:
        terminal.sendline("mnistexp completion --install")  # It detects the shell.
        terminal.expect("New shells complete")
        written = [path for path in tmp_path.rglob("*") if path.name in STARTUP_FILES]
        terminal.sendline("\n".join([f"source {path}" for path in written] + [show]))

        def line() -> str:
            terminal.send("\x18")
            terminal.expect(r"LINE\[([^\]$(]*)\]")
            return str(terminal.match[1])

        def completed(keys: str) -> str:
            """The line some time after Tab: the shell needs a moment."""
            terminal.send(f"\x15{keys}\t")  # Ctrl-U clears what was there.
            for _ in range(50):
                time.sleep(0.2)
                if (now := line()) != keys:
                    return now
            return keys

        assert completed("mnistexp train.ep") == "mnistexp train.epochs="
        assert completed("mnistexp model=five_layers_d") == "mnistexp model=five_layers_dropout "
        assert completed("mnistexp docto") == "mnistexp doctor "
        assert completed("mnistexp -m optim=sgd,rms") == "mnistexp -m optim=sgd,rmsprop "


STARTUP_FILES = (".bashrc", ".zshrc", "mnistexp.fish")


def test_installing_twice_adds_one_line(
    mnistexp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    (tmp_path / ".bashrc").write_text("alias ll='ls -l'")
    for _ in range(2):
        assert mnistexp("completion", "--install", "--shell", "bash").exit_code == 0
    script = tmp_path / ".local" / "share" / "mnistexp" / "completion.bash"
    assert (tmp_path / ".bashrc").read_text() == f"alias ll='ls -l'\nsource {script}\n"
    subprocess.run(["bash", "-n", str(script)], check=True)
