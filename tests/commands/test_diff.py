"""`mnistexp diff`: two runs, or two groups of seeds, side by side."""

import re
from pathlib import Path

import pytest
from support import Command

from mnistexp.runs.run_tables import load_runs


@pytest.fixture
def here(mnistexp: Command, store_with_sweep: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in a folder that has runs, with a terminal of 100 columns."""
    monkeypatch.chdir(store_with_sweep)
    monkeypatch.setenv("COLUMNS", "100")
    return mnistexp


def test_the_changes_the_metrics_the_curves_and_a_figure_are_written(
    here: Command, tmp_path: Path
) -> None:
    figure = tmp_path / "curves.png"
    outcome = here("diff", "lab=1_0_softmax", "lab.1_1_two_layers_sigmoid-s0", "-o", str(figure))
    assert outcome.exit_code == 0, outcome.err
    assert "A  lab.1_0_softmax, 2 seeds" in outcome.out
    assert "seed 0, 1 → 0" in outcome.out
    assert "+ hidden1 (dense 200)" in outcome.out
    assert re.search(r"^num_parameters +7,850 +159,010 +\+151,160$", outcome.out, re.MULTILINE)
    assert re.search(r"^ *40 +0\.\d{4} +0\.\d{4}", outcome.out, re.MULTILINE)
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_several_runs_are_compared_with_the_first(here: Command, tmp_path: Path) -> None:
    names = ["lab=1_0_softmax", "lab.1_1_two_layers_sigmoid-s0", "softmax-sgd-s1"]
    outcome = here("diff", *names, "-o", str(tmp_path / "curves.svg"))
    assert outcome.exit_code == 0, outcome.err
    assert "Changed from A to B" in outcome.out
    assert "Changed from A to C" in outcome.out
    assert re.search(r" A +B +C +B − A +C − A", outcome.out)
    assert re.search(r"Curves of test accuracy\n+ *step +A +B", outcome.out)
    drawn = (tmp_path / "curves.svg").read_text()
    for title in ("A  lab.1_0_softmax, 2 seeds", "C  softmax-sgd-s1"):
        assert f"<!-- {title}" in drawn
    # C alone has validation images. The panels show a metric of all runs.
    for legend in ("A  1_0_softmax (n=2)", "B  1_1_two_layers_sigmoid", "C  softmax-sgd"):
        assert f"<!-- {legend} -->" in drawn
    assert "<!-- test accuracy -->" in drawn


def test_a_choice_stands_for_its_newest_run(here: Command) -> None:
    outcome = here("diff", "model=softmax", "model=two_layers")
    assert outcome.exit_code == 0, outcome.err
    assert re.search(r"^model=softmax: \d runs; the newest is [0-9a-f]{32}$", outcome.err, re.M)
    assert re.search(r"^A  softmax-sgd-s\d, run [0-9a-f]{8}$", outcome.out, re.M)


@pytest.mark.parametrize("other", ["lab=1_0_softmax", None], ids=["finished", "failed"])
def test_a_failed_run_can_be_compared(here: Command, other: str | None) -> None:
    """The run failed before its first metric."""
    (failed,) = load_runs("status = failed")["run_id"]
    outcome = here("diff", failed, other or failed)
    assert outcome.exit_code == 0, outcome.err
    assert re.search(
        rf"^A  two_layers-\S+, run\s+{failed[:8]}, failed at step \d+ of\s+20", outcome.out
    )
    if other is None:
        assert "Final metrics\n  none: these runs ended before their first metric" in outcome.out
    else:
        assert re.search(r"^test_accuracy +0\.\d+$", outcome.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab", "lab=1_0_softmax"], "Write an id instead"),
        (["lab=1_0_softmax", "nothing"], "nothing: expected the id or the name"),
        (["lab=1_0_softmax", "softmax-sgd-s0", "-o", "a.txt"], "expected a .png"),
        (["lab=1_0_softmax"], "expected 2 to 8 runs. Received: 1"),
    ],
)
def test_names_that_are_not_one_run_or_one_seed_group_are_refused(
    here: Command, arguments: list[str], message: str
) -> None:
    outcome = here("diff", *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.err
