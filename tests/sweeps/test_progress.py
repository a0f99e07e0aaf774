"""The lines that a sweep prints where the output is no terminal, and the bar of a terminal."""

import io
import re

import pytest
from rich.console import Console

from mnistexp.sweeps.jobs import JobResult
from mnistexp.sweeps.progress import SweepProgress, format_duration


def test_each_result_is_followed_by_the_state_of_the_sweep(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SweepProgress(num_jobs=3) as progress:
        metrics = {"val_accuracy": 0.9, "test_accuracy": 0.8, "seconds": 2.0}
        progress.add_result("a", JobResult("finished", metrics))
        progress.add_result("b", JobResult("failed", message="no memory. Use a smaller batch"))
        progress.add_result(
            "c", JobResult("finished", {"val_accuracy": 0.8}, expectation_result="missed")
        )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "✓ 1/3 a  val_accuracy 0.9000  2.0 s"
    assert lines[1].startswith("sweep 1/3 done  about 1 s left  best val_accuracy 0.9000  (a)")
    assert lines[2] == "✗ 2/3 b  failed: no memory"
    assert lines[3].startswith("sweep 2/3 done  1 failed")
    assert lines[4:] == ["✓ 3/3 c  val_accuracy 0.8000  expectation missed"]


def test_a_killed_job_is_neither_failed_nor_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    with SweepProgress(num_jobs=3) as progress:
        progress.add_result("a", JobResult("finished", {"val_accuracy": 0.8}))
        progress.add_result("b", JobResult("killed", {"val_accuracy": 0.9}, message="Ctrl-C"))
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("sweep 2/3 done  1 killed")
    assert line.endswith("best val_accuracy 0.8000  (a)")


def test_without_a_known_number_of_jobs_no_time_is_estimated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SweepProgress(num_jobs=None) as progress:
        progress.add_result("a", JobResult("pruned", message="pruned at step 3"))
    assert capsys.readouterr().out.splitlines() == [
        "· 1 a  pruned at step 3",
        "sweep 1 done",
    ]


def test_a_long_name_does_not_hide_the_elapsed_time_in_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr("mnistexp.sweeps.progress.get_console", lambda: console)
    with SweepProgress(num_jobs=2) as progress:
        name = "softmax-sgd-learning_rate=0.0443-s0"
        progress.add_result(name, JobResult("finished", {"val_accuracy": 0.9}))
    assert re.search(r"sweep 1/2 done.* best val_accuracy 0.9000 .* 0:00:\d\d", stream.getvalue())


def test_lines_fit_80_columns_and_break_no_name_and_no_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=80)
    monkeypatch.setattr("mnistexp.sweeps.progress.get_console", lambda: console)
    name = "two_layers-sgd-learning_rate=0.1-batch_size=100-activation=relu-s0"
    metrics = {"val_accuracy": 0.9, "seconds": 2.0}
    with SweepProgress(num_jobs=2) as progress:
        progress.add_result(name, JobResult("finished", metrics))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[:2] == [f"✓ 1/2 {name}", "  val_accuracy 0.9000  2.0 s"]
    assert lines[-1] == f"  ({name})"


def test_a_terminal_has_a_bar_below_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    monkeypatch.setattr("mnistexp.sweeps.progress.get_console", lambda: console)
    with SweepProgress(num_jobs=2) as progress:
        progress.add_result("[name]", JobResult("finished", {"val_accuracy": 0.9}))
    shown = stream.getvalue()
    assert "✓ 1/2 [name]  val_accuracy 0.9000" in shown
    assert "sweep 1/2 done" in shown
    assert "best val_accuracy 0.9000  ([name])" in shown
    assert "━" in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (40, "40 s"), (180, "3 min"), (7_500, "2 h 5 min")],
)
def test_a_duration_is_readable(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
