"""`verify` and `results`: what is run, what is judged, what is written."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from support import Command, write_user_experiment

from mnistexp.config.compose import compose_config
from mnistexp.config.expectation import Expectation
from mnistexp.errors import ConfigError
from mnistexp.tracking import RunRecord
from mnistexp.verification import Reached, find_experiments
from mnistexp.verification.results_page import results_page


def past(accuracy: float) -> RunRecord:
    return RunRecord(
        "id",
        "a run",
        "FINISHED",
        datetime.now(),
        None,
        {},
        {"test_accuracy": accuracy},
        {"device": "CPU"},
    )


def expectation_of(experiment: str) -> Expectation:
    expectation = compose_config([experiment])[0].expect
    assert expectation is not None
    return expectation


DIVERGED = RunRecord("id", "a run", "FAILED", datetime.now(), None, {}, {}, {"diverged": "true"})
INTERVAL = Expectation(test_accuracy=(0.9, 0.92))


@pytest.mark.parametrize(
    ("expectation", "runs", "met"),
    [
        (INTERVAL, [past(0.91)], True),
        (INTERVAL, [past(0.9)], True),
        (INTERVAL, [past(0.93)], False),
        (INTERVAL, [past(0.89), past(0.93)], True),  # The mean counts.
        (INTERVAL, [past(0.91), DIVERGED], False),
        (Expectation(diverges=True), [DIVERGED, DIVERGED], True),
        (Expectation(diverges=True), [DIVERGED, past(0.9)], False),
        (Expectation(diverges=True), [past(0.9)], False),
    ],
)
def test_the_mean_over_the_seeds_is_judged(
    expectation: Expectation, runs: list[RunRecord], met: bool
) -> None:
    assert Reached("lab=x", expectation, runs).is_met is met


def test_mean_and_standard_deviation() -> None:
    assert Reached("x", INTERVAL, [past(0.90), past(0.92)]).mean_and_std("test_accuracy") == (
        "0.9100 ± 0.0141"
    )
    assert Reached("x", INTERVAL, [past(0.90)]).mean_and_std("test_accuracy") == "0.9000"
    assert Reached("x", INTERVAL, [past(0.90)]).mean_and_std("other") == "–"


@pytest.mark.parametrize("given", [{}, {"diverges": True, "test_accuracy": (0.1, 0.2)}])
def test_one_thing_is_expected(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="either test_accuracy or diverges"):
        Expectation.model_validate(given)


def test_experiments_are_named_by_group_or_by_name() -> None:
    assert find_experiments(["1_0_softmax"]) == find_experiments(["lab=1_0_softmax"])
    assert "lab=1_0_softmax" in find_experiments(["lab"])
    with pytest.raises(ConfigError, match="Did you mean .*3_0_conv"):
        find_experiments(["3_0_cnv"])


def test_only_what_has_no_finished_run_is_run(mnistexp: Command, tmp_path: Path) -> None:
    first = mnistexp("verify", "1_0_softmax_text", "log_of_zero", "--seeds", "2")
    assert first.exit_code == 0, first.err
    assert len(re.findall(r"^lab=1_0_softmax_text seed=", first.out, re.MULTILINE)) == 2
    assert re.search(
        r"lab=1_0_softmax_text +0\.\d+ to 0\.\d+ +0\.91\d\d ± 0\.\d+ +2 +met", first.out
    )
    assert re.search(r"failure_modes=log_of_zero +diverges +diverged +2 +met", first.out)

    again = mnistexp("verify", "1_0_softmax_text", "log_of_zero", "--seeds", "2")
    assert "seed=" not in again.out
    assert "0.91" in again.out

    written = mnistexp("results", "--output", "results.md")
    assert written.exit_code == 0
    page = (tmp_path / "results.md").read_text()
    row = next(line for line in page.splitlines() if "1_0_softmax_text" in line)
    assert re.search(r"\| 0\.91\d\d ± 0\.\d{4} \| 2 \| met \| 0\.9\d+ ± 0\.\d{4} \| 7,850 \|", row)
    assert "diverged | 2 | met" in page


def test_a_missed_expectation_ends_with_exit_code_1(mnistexp: Command, tmp_path: Path) -> None:
    write_user_experiment(
        tmp_path,
        "hopeless",
        "train: {steps: 5}\ndata: {train_size: 1000}\nexpect: {test_accuracy: [0.99, 1.0]}\n",
    )
    outcome = mnistexp("verify", "hopeless")
    assert outcome.exit_code == 1
    assert "missed" in outcome.out


def test_a_shortened_experiment_is_verified_as_shortened(mnistexp: Command, tmp_path: Path) -> None:
    write_user_experiment(
        tmp_path,
        "lengthy",
        "train: {epochs: 100}\n"
        "data: {train_size: 1000}\n"
        "expect: {test_accuracy: [0.1, 1.0], shortened: [train.epochs=1]}\n",
    )
    outcome = mnistexp("verify", "lengthy")
    assert outcome.exit_code == 0
    assert "user=lengthy train.epochs=1 seed=0" in outcome.out
    page = results_page([Reached("user=lengthy", expectation_of("user=lengthy"), [past(0.5)])])
    assert "| `lengthy`<br>`train.epochs=1` |" in page


def test_without_any_run_results_say_what_to_do(mnistexp: Command) -> None:
    outcome = mnistexp("results")
    assert outcome.exit_code == 2
    assert "mnistexp verify lab" in outcome.err
