"""`mnistexp verify`: which runs it starts, and how it compares them with the expectations."""

from datetime import datetime
from pathlib import Path

import pytest
from support import Command, write_user_experiment

from mnistexp.config.compose import compose_config
from mnistexp.config.expectation import Expectation
from mnistexp.errors import ConfigError
from mnistexp.tracking import RunRecord
from mnistexp.verification import (
    ExperimentResult,
    find_experiments,
)
from mnistexp.verification.results_page import format_results_page


def finished_run(accuracy: float) -> RunRecord:
    metrics, tags = {"test_accuracy": accuracy}, {"device": "CPU"}
    return RunRecord("id", "a run", "FINISHED", datetime.now(), None, {}, metrics, tags)


def expectation_of(experiment: str) -> Expectation:
    expectation = compose_config([experiment])[0].expect
    assert expectation is not None
    return expectation


DIVERGED = RunRecord("id", "a run", "FAILED", datetime.now(), None, {}, {}, {"diverged": "true"})
INTERVAL = Expectation(test_accuracy=(0.9, 0.92))


@pytest.mark.parametrize(
    ("expectation", "runs", "met"),
    [
        (INTERVAL, [finished_run(0.91)], True),
        (INTERVAL, [finished_run(0.9)], True),
        (INTERVAL, [finished_run(0.93)], False),
        (INTERVAL, [finished_run(0.89), finished_run(0.93)], True),  # Their mean is 0.91.
        (INTERVAL, [finished_run(0.91), DIVERGED], False),
        (Expectation(diverges=True), [DIVERGED, DIVERGED], True),
        (Expectation(diverges=True), [DIVERGED, finished_run(0.9)], False),
        (Expectation(diverges=True), [finished_run(0.9)], False),
    ],
)
def test_the_mean_over_the_seeds_must_be_in_the_interval(
    expectation: Expectation, runs: list[RunRecord], met: bool
) -> None:
    assert ExperimentResult("lab=x", expectation, runs).is_met is met


def test_mean_and_standard_deviation_are_formatted() -> None:
    one = ExperimentResult("x", INTERVAL, [finished_run(0.90)])
    two = ExperimentResult("x", INTERVAL, [finished_run(0.90), finished_run(0.92)])
    assert two.mean_and_std("test_accuracy") == "0.9100 ± 0.0141"
    assert one.mean_and_std("test_accuracy") == "0.9000"
    assert one.mean_and_std("other") == "–"


@pytest.mark.parametrize("given", [{}, {"diverges": True, "test_accuracy": (0.1, 0.2)}])
def test_an_expectation_is_either_an_interval_or_a_divergence(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="either test_accuracy or diverges"):
        Expectation.model_validate(given)


def test_experiments_are_found_by_group_and_by_name() -> None:
    assert find_experiments(["1_0_softmax"]) == find_experiments(["lab=1_0_softmax"])
    assert "lab=1_0_softmax" in find_experiments(["lab"])
    with pytest.raises(ConfigError, match="Did you mean .*3_0_conv"):
        find_experiments(["3_0_cnv"])


def test_a_missed_expectation_ends_with_exit_code_1(mnistexp: Command, tmp_path: Path) -> None:
    write_user_experiment(
        tmp_path,
        "unreachable",
        "train: {steps: 5}\ndata: {train_size: 1000}\nexpect: {test_accuracy: [0.99, 1.0]}\n",
    )
    outcome = mnistexp("verify", "unreachable")
    assert outcome.exit_code == 1
    assert "missed: see whether it is chance: mnistexp verify user=unreachable" in outcome.out
    assert "user=unreachable" in mnistexp("results").out
    page = mnistexp("results", "--output", "results.md")
    assert page.exit_code == 2
    assert "mnistexp verify lab" in page.err


def test_an_interrupted_verification_says_what_is_kept(
    mnistexp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mnistexp.experiment.run.evaluate", press_ctrl_c)
    text = "train: {steps: 5}\ndata: {train_size: 1000}\nexpect: {test_accuracy: [0.1, 1.0]}\n"
    write_user_experiment(tmp_path, "quick", text)
    outcome = mnistexp("verify", "quick")
    assert outcome.exit_code == 130
    message, ended, kept = outcome.err.splitlines()
    assert message == "interrupted"
    assert "killed at step 5 of 5" in ended
    assert kept.startswith("Kept: settings, metrics")


def test_a_broken_file_leaves_the_other_experiments_of_a_group(
    mnistexp: Command, tmp_path: Path
) -> None:
    quick = "train: {steps: 5}\ndata: {train_size: 1000}\n"
    write_user_experiment(tmp_path, "good", f"{quick}expect: {{test_accuracy: [0.1, 1.0]}}\n")
    write_user_experiment(tmp_path, "open", quick)
    outcome = mnistexp("verify", "user")
    assert outcome.exit_code == 0
    assert outcome.err.startswith("not verified: user=open: expected a file with `expect:`")
    write_user_experiment(tmp_path, "broken", "seed: [")
    outcome = mnistexp("verify", "user")
    assert outcome.exit_code == 2
    assert "met" in outcome.out
    assert "not verified: experiments/user/broken.yaml, line 2: " in outcome.err
    assert mnistexp("verify", "open").exit_code == 2


def test_a_long_experiment_runs_with_its_shortening_settings(
    mnistexp: Command, tmp_path: Path
) -> None:
    write_user_experiment(
        tmp_path,
        "long",
        "train: {epochs: 100}\n"
        "data: {train_size: 1000}\n"
        "expect: {test_accuracy: [0.1, 1.0], shortened: [train.epochs=1]}\n",
    )
    outcome = mnistexp("verify", "long")
    assert outcome.exit_code == 0
    assert "user=long train.epochs=1 seed=0" in outcome.out
    page = format_results_page(
        [ExperimentResult("user=long", expectation_of("user=long"), [finished_run(0.5)])]
    )
    assert "| `long`<br>`train.epochs=1` |" in page


def test_results_of_a_store_without_runs_are_an_error_with_the_command_to_use(
    mnistexp: Command,
) -> None:
    outcome = mnistexp("results")
    assert outcome.exit_code == 2
    assert "mnistexp verify lab" in outcome.err
