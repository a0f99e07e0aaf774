"""The Tab key: what is proposed, and that real shells insert it."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from support import Command, write_user_experiment

from mnistexp.config.completion import complete_override
from mnistexp.config.config_groups import list_groups
from mnistexp.config.schema_tree import SchemaTree


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("model=con", ["model=conv", "model=conv_batchnorm", "model=conv_big"]),
        ("optim=sgd,ada", ["optim=sgd,adam", "optim=sgd,adam_decay"]),
        ("optim/decay=c", ["optim/decay=cosine"]),
        ("lab=1_0", ["lab=1_0_softmax", "lab=1_0_softmax_long", "lab=1_0_softmax_text"]),
        ("mod", ["model=", "model."]),
        ("see", ["seed="]),
        ("train.ep", ["train.epochs="]),
        ("train.log_", ["train.log_every="]),
        ("train.early_stopping.", ["train.early_stopping.monitor="]),
        ("train.shuffle=", ["train.shuffle=every_epoch", "train.shuffle=once"]),
        ("tracking.log_model=", ["tracking.log_model=true", "tracking.log_model=false"]),
        (
            "train.restore_best_weights=v",
            ["train.restore_best_weights=val_loss", "train.restore_best_weights=val_accuracy"],
        ),
        ("model=conv_big model.layers.", ["model.layers.conv3.", "model.layers.dropout."]),
        ("lab=3_1_conv_big model.layers.dr", ["model.layers.dropout."]),
        ("model=conv_big model.layers.dropout.", ["model.layers.dropout.rate="]),
        ("model=two_layers model.activation=ta", ["model.activation=tanh"]),
        ("model=random_forest model.n", ["model.n_estimators="]),
        ("optim=adam optim.bet", ["optim.beta_1=", "optim.beta_2="]),
        ("optim/decay=cosine optim.decay.w", ["optim.decay.warmup_fraction="]),
        ("hydra.", ["hydra.sweeper.", "hydra.launcher."]),
        ("hydra/sweeper=optuna hydra.sweeper.n_", ["hydra.sweeper.n_trials="]),
        ("hydra/launcher=processes hydra.launcher.n", ["hydra.launcher.n_jobs="]),
        ("hydra/launcher=ray_cluster hydra.launcher.ray.i", ["hydra.launcher.ray.init."]),
        ("ui --p", ["--port"]),
        ("completion --shell f", ["fish"]),
        ("verify 3_0", ["3_0_conv", "3_0_conv_max_pooling"]),
        ("--mul", ["--multirun"]),
        ("--cfg j", ["job"]),
        ("sch", ["schema"]),
        ("train.no_such", []),
        ("model=conv 'seed=", []),
    ],
)
def test_what_is_proposed(mnistexp: Command, line: str, proposed: list[str]) -> None:
    found = mnistexp("completion", "--shell", "fish", "--complete", f"mnistexp {line}").out
    words = found.splitlines()
    assert set(proposed) <= set(words)
    assert all(word.startswith(line.split(" ")[-1]) for word in words)
    assert bool(words) == bool(proposed)


def test_only_the_settings_of_the_chosen_kind_are_proposed() -> None:
    assert "model.layers." not in complete_override(["model=random_forest"], "model.")
    assert "optim.beta_1=" not in complete_override(["optim=sgd"], "optim.")
    assert "optim.beta_1=" in complete_override(["optim=sgd", "optim=adam"], "optim.")


def test_the_first_word_may_be_any_command_group_or_section(mnistexp: Command) -> None:
    words = mnistexp("completion", "--shell", "fish", "--complete", "mnistexp ").out.splitlines()
    assert {"ui", "verify", "doctor", "seed=", "train."} <= set(words)
    assert {f"{group}=" for group in list_groups()} <= set(words)
    behind = mnistexp("completion", "--shell", "fish", "--complete", "mnistexp seed=1 ").out
    assert "ui" not in behind.splitlines()


def test_every_setting_of_the_schema_can_be_reached() -> None:
    from mnistexp.config.config import Config

    top = {word.rstrip("=.") for word in complete_override([], "")}
    assert {path for path in SchemaTree(Config).setting_paths() if "." not in path} <= top
    for section in ("data", "device", "train", "sweep", "expect"):
        found = {word.rstrip("=.") for word in complete_override([], f"{section}.")}
        known = {
            p
            for p in SchemaTree(Config).setting_paths()
            if p.count(".") == 1 and p.startswith(section)
        }
        assert found == known


def test_experiments_of_ones_own_are_proposed(mnistexp: Command, tmp_path: Path) -> None:
    write_user_experiment(tmp_path, "mine", "defaults:\n  - override /model: conv_big\n")
    assert complete_override([], "user=") == ["user=mine"]
    assert "model.layers.conv3." in complete_override(["user=mine"], "model.layers.")


def test_the_answer_comes_at_once_and_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; sys.argv = ['mnistexp', 'completion', '--shell', 'bash', '--complete', "
        "'mnistexp model=conv_big model.layers.']\n"
        "from mnistexp.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "loaded = {'tensorflow', 'keras', 'mlflow', 'hydra', 'pandas'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "model.layers.conv1." in done.stdout
    # Of the processor, since other programs may be busy: alone it takes as long by the clock.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


SHELLS = {
    "bash": ("--norc --noprofile", 'bind -x \'"\\C-x": "echo \\"LINE[$READLINE_LINE]\\""\''),
    "zsh": ("-f", "show() { print \"LINE[$BUFFER]\" }; zle -N show; bindkey '^X' show"),
    "fish": ("--no-config", "bind \\cx 'echo LINE[(commandline)]'"),
}
"""How each is started without the user's settings, and how Ctrl-X shows the line."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_after_one_command(shell: str, tmp_path: Path) -> None:
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
        terminal.sendline("mnistexp completion --install")  # It finds out which shell this is.
        terminal.expect("New shells complete")
        written = [path for path in tmp_path.rglob("*") if path.name in SETTINGS]
        terminal.sendline("\n".join([f"source {path}" for path in written] + [show]))

        def line() -> str:
            terminal.send("\x18")
            terminal.expect(r"LINE\[([^\]$(]*)\]")
            return str(terminal.match[1])

        def completed(keys: str) -> str:
            """The line after Tab, which the shell takes its time for."""
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


SETTINGS = (".bashrc", ".zshrc", "mnistexp.fish")


def test_installing_twice_leaves_one_line(
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
