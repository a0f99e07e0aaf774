"""The command that a run records, run again in the same folder, makes the same run."""

import shlex
from pathlib import Path

import pytest
from support import QUICK, Command

import mnistexp as package
from mnistexp.tracking import COMMAND_TAG, MlflowTracking, RunRecord, RunStore

TINY_MODEL = "layers: {flatten: {type: flatten}, logits: {type: dense, units: 10}}\n"


def recorded_runs() -> list[RunRecord]:
    return RunStore(MlflowTracking(type="mlflow")).runs()


def repeat(mnistexp: Command, command: str) -> str:
    program, *arguments = shlex.split(command)
    assert program == "mnistexp"
    result = mnistexp(*arguments)
    assert result.exit_code == 0, result.err
    return result.out


def test_values_with_spaces_commas_braces_and_quotes(mnistexp: Command, tmp_path: Path) -> None:
    (tmp_path / "my groups" / "model").mkdir(parents=True)
    (tmp_path / "my groups" / "model" / "tiny.yaml").write_text(TINY_MODEL)
    overrides = [
        "tracking.description='It''s 50 % done, {really}'".replace("''", "\\'"),
        'tracking.tags={purpose: "a, b", n: 1}',
        "train.evaluate_on=[validation, test]",
        "train.evaluate_every=10 steps",
        "data.test_slice=[0, 1000]",
    ]
    assert mnistexp("--config-dir", "my groups", "model=tiny", *QUICK, *overrides).exit_code == 0
    (first,) = recorded_runs()
    assert "--config-dir 'my groups'" in first.tags[COMMAND_TAG]
    repeat(mnistexp, first.tags[COMMAND_TAG])
    _, second = recorded_runs()
    for tag in ("config_hash", "purpose", "mlflow.note.content", COMMAND_TAG):
        assert second.tags[tag] == first.tags[tag]
    assert second.tags["purpose"] == "a, b"
    assert second.params == first.params


def test_a_run_from_python_records_the_equal_command(mnistexp: Command) -> None:
    package.run("model=softmax", "train.evaluate_on=[validation, test]", *QUICK)
    (first,) = recorded_runs()
    repeat(mnistexp, first.tags[COMMAND_TAG])
    assert recorded_runs()[1].tags["config_hash"] == first.tags["config_hash"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed=0,1"],
        ["seed=choice(0, 1)", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=2"],
    ],
)
def test_the_command_of_a_sweep_continues_it_and_that_of_a_job_repeats_the_job(
    mnistexp: Command, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text(TINY_MODEL)
    options = ["-m", "--config-dir", "mine", "model=tiny", "train.evaluate_on=[validation, test]"]
    assert mnistexp(*options, *QUICK, *arguments).exit_code == 0
    (sweep,) = (run for run in recorded_runs() if run.is_sweep)
    job = next(run for run in recorded_runs() if run.parent)
    repeat(mnistexp, sweep.tags[COMMAND_TAG])
    assert len(recorded_runs()) == 3
    repeat(mnistexp, job.tags[COMMAND_TAG])
    again = recorded_runs()[-1]
    assert again.parent is None
    assert again.tags["config_hash"] == job.tags["config_hash"]
