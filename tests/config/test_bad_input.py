"""Unusual input gives one line and exit code 2. `tests/torture/` finds more of it."""

import re
from pathlib import Path

import pytest
from support import FEW_STEPS, Command
from torture.bad_input import KINDS, feed_bad_input

LONG = "a" * 10_000

EXAMPLES = [
    (["optim=[0.5]"], r"optim: expected one of .* Received: '\[0.5\]'"),
    (["model=[1]"], "model: expected one of"),
    (["seed=}\n&"], r"seed=}\\n&: expected NAME=VALUE"),
    (["model=[1,[2,[3]]]"], "model: expected one of"),
    (["data=${:}"], r"data: expected one of .* Received: '\${:}'"),
    (["device=${..}"], "device: expected one of"),
    (["tracking=${.}"], "tracking: expected one of"),
    (["data=${oc.env:X,null}"], "data: expected one of"),
    (["hydra.overrides.task=3"], "hydra.overrides.task: expected another setting"),
    (["hydra.overrides.task=${oc.deprecated:seed}"], "hydra.overrides.task: expected another"),
    (["seed=${seed}"], "seed: Recursive interpolation detected"),
    (["seed=" + "[" * 300], "seed: expected at most 50 levels"),
    (["model.layers=" + "{a:" * 300 + "1" + "}" * 300], "model.layers: expected at most 50 levels"),
    (["seed=" + "9" * 10_000], "seed: expected a number of fewer than 400 digits. Received: 999"),
    ([f"model={LONG}"], r"model: expected one of .* Received: 'aaa\w*…a*'"),
    ([f"model.{LONG}=1"], r"model.aaa\w*…a*: expected the name of a setting"),
    ([f"--{LONG}"], r"--a*…a*: unknown option"),
    ([LONG], "a*…a*: expected a command or a setting"),
    (["model", "=", "conv"], "Received: 'model'. Write no spaces around ="),
    (["model", "=conv"], "Received: 'model'. Write no spaces around ="),
    (
        ["model.layers.drop={type:", "dropout,", "rate:", "0.5}"],
        "model.layers.drop: expected one argument.*quotation marks: 'model.layers.drop=…'",
    ),
    (
        ["train.evaluate_on=test"],
        r"expected a list. Received: 'test'. Write \[test\]",
    ),
    (["optim.type=lamb"], "Use optim.type=keras optim.class_name=Lamb"),
    (["seed=\x1b[31m"], r"seed.*\\x1b"),
    (
        ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trial=3", "seed=0,1"],
        "hydra.sweeper.n_trial: .*hydra/sweeper=optuna: sampler, .*Did you mean n_trials",
    ),
    (
        ["-m", "hydra.sweeper.n_trials=3", "seed=0,1"],
        "hydra.sweeper.n_trials: .*'n_trials'. It is a setting of hydra/sweeper=optuna",
    ),
    (
        ["-m", "hydra.launcher.n_jobs=3", "seed=0,1"],
        "hydra.launcher.n_jobs: .*It is a setting of hydra/launcher=processes",
    ),
    (
        ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials.x=3", "seed=0,1"],
        "hydra.sweeper.n_trials.x: expected a setting of hydra/sweeper=optuna",
    ),
    (["model=conv", "--cfg", "jobs"], "--cfg: expected one of job, hydra, all. .* mean job"),
    (["--config-name", "x"], "--config-name: unknown option. Did you mean --config-dir"),
    (["record=fast", "expect.test_accuracy=0.9"], r"Write \[A, B\]"),
    (["optim=adam", "optim.momentum=0.9"], "unknown setting of type adam, only of type sgd or rms"),
    (
        ["model=two_layers", "model.layers.hidden1.filters=3"],
        "hidden1.filters: unknown setting of type dense, only of type conv2d",
    ),
    (["optim=adam", "optim.ema_momentum=0.9"], "no effect. Add optim.use_ema=true"),
    (["-m", "lab=glob(9_*)"], r"lab: expected at least one value. Received: lab=glob\(9_\*\)"),
    (["-m", "seed=range(0)"], "seed: expected at least one value"),
    (["-m", "seed=range(1,3,0)"], "seed: expected a step other than 0"),
    (["-m", "seed=range(0,1000000000)"], r"values. Received: seed=range\(0,1000000000\)"),
    (["-m", "seed=range(0,1000)", "train.steps=range(1,1000)"], "expected at most 100,000 jobs"),
    (["sweep.dry_run=true"], "sweep.dry_run: expected together with -m"),
    (["tracking.tags={mlflow.runName: x}"], "tracking.tags.mlflow.runName: expected another name"),
    (["tracking.tags={kind: sweep}"], "tracking.tags.kind: expected another name"),
    (["tracking.tags={" + "k" * 251 + ": 1}"], "expected at most 250 characters"),
    (["device.threads=100000"], "device.threads: expected a number <= 1024"),
    (["tracking.uri=postgresql+pg8000://a/b"], "expected the driver pg8000 to be installed"),
    (["data.directory=file"], "data.directory: expected"),
]


@pytest.mark.parametrize(("arguments", "message"), EXAMPLES)
def test_unusual_input_is_one_line(arguments: list[str], message: str, mnistexp: Command) -> None:
    result = mnistexp(*arguments)
    assert result.exit_code == 2
    (line,) = result.err.splitlines()
    assert line.startswith("error: ")
    assert len(line) <= 1_510
    assert re.search(message, line)


@pytest.mark.parametrize("name", ["runs", "mlruns"])
def test_a_file_in_place_of_an_output_folder_is_one_line(
    name: str, tmp_path: Path, mnistexp: Command
) -> None:
    (tmp_path / name).write_text("")
    result = mnistexp("data.train_size=100")
    assert result.exit_code == 2
    assert f"Received: the file {tmp_path / name}" in result.err


def test_an_untracked_run_works_in_a_folder_where_nothing_can_be_written(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc")  # Not even the administrator can write there.
    assert mnistexp(*FEW_STEPS, "tracking=none").exit_code == 0
    result = mnistexp(*FEW_STEPS, "tracking=none", "dashboard=record")
    assert result.exit_code == 2
    assert result.err.startswith("error: runs: expected a file or folder that can be read and wri")


def test_an_output_in_a_place_that_cannot_be_written_is_one_line(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for place, reason in (("/proc/1/schemas", "No such file or directory"), ("file", "File exist")):
        result = mnistexp("schema", "--write", place)
        assert result.exit_code == 2
        (line,) = result.err.splitlines()
        assert f"expected a file or folder that can be read and written. Received: {reason}" in line


@pytest.mark.parametrize("kind", KINDS)
def test_random_and_mutated_input_gives_a_config_or_one_clear_message(
    kind: str,
) -> None:
    number = {"override lists": 20, "command lines": 20, "YAML files": 20, "IDX files": 140}[kind]
    # A test must not fail at random; make torture tries new inputs each time.
    assert feed_bad_input(kind, number, same_each_time=True).lost == ()
