"""`mnistexp verify` trains real experiments, and does not train them again."""

import re
from pathlib import Path

import pytest
from support import Command

from mnistexp.verification import describe_plan, missing_runs, plan_runs

pytestmark = pytest.mark.integration


def test_experiments_with_a_finished_run_are_not_run_again(
    mnistexp: Command, tmp_path: Path
) -> None:
    first = mnistexp("verify", "1_0_softmax_text", "naive_cross_entropy", "--seeds", "2")
    assert first.exit_code == 0, first.err
    assert first.out.startswith("4 runs, unknown time: the store has no similar run\nrun 1 of 4: ")
    starts = re.findall(r"^run \d of 4: lab=1_0_softmax_text seed=\d.*", first.out, re.MULTILINE)
    assert len(starts) == 2
    assert re.search(r", about \d+ s left$", starts[1])
    assert re.search(
        r"lab=1_0_softmax_text +met +0\.\d+ to 0\.\d+ +0\.91\d\d ± 0\.\d+ +2\b", first.out
    )
    assert re.search(r"failure_modes=naive_\w* +met +diverges +diverged +2\b", first.out)

    again = mnistexp("verify", "1_0_softmax_text", "naive_cross_entropy", "--seeds", "2")
    assert again.out.startswith("4 runs, 4 finished earlier, 0 to run\n")
    assert "seed=" not in again.out
    assert "0.91" in again.out
    explanation = "highest seen: the highest test accuracy of all evaluations in a run\n"
    assert explanation not in again.out  # The column does not fit.
    wide = mnistexp("verify", "1_0_softmax_text", "naive_cross_entropy", "--seeds", "2", "--wide")
    assert wide.out.endswith(explanation)
    plan, _ = plan_runs(["lab=1_0_softmax_text"], num_seeds=3)
    assert re.fullmatch(
        r"3 runs, 2 finished earlier, 1 to run, about \d+ s", describe_plan(3, missing_runs(plan))
    )

    written = mnistexp("results", "--output", "results.md")
    assert written.exit_code == 0
    page = (tmp_path / "results.md").read_text()
    row = next(line for line in page.splitlines() if "1_0_softmax_text" in line)
    assert re.search(r"\| 0\.91\d\d ± 0\.\d{4} \| 2 \| met \| 0\.9\d+ ± 0\.\d{4} \| 7,850 \|", row)
    assert "diverged | 2 | met" in page
