"""The leaderboard and the best job, from made-up results."""

from statistics import stdev

import pytest
from sweep_store import make_job

from mnistexp.sweeps.jobs import Job, JobResult
from mnistexp.sweeps.leaderboard import build_leaderboard, find_best_job


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    rates, seeds = (0.1, 0.2), (0, 1)
    return [make_job(f"optim.learning_rate={r}", f"seed={s}") for r in rates for s in seeds]


def finished(
    jobs: list[Job], *accuracies: float, metric: str = "val_accuracy"
) -> dict[str, JobResult]:
    return {
        job.config_hash: JobResult("finished", {metric: accuracy, "test_accuracy": 0.5})
        for job, accuracy in zip(jobs, accuracies, strict=True)
    }


def test_seed_groups_are_ranked_by_their_mean_validation_accuracy(jobs: list[Job]) -> None:
    comparison = build_leaderboard(jobs, finished(jobs, 0.91, 0.93, 0.96, 0.94))
    assert comparison is not None
    assert comparison.metric == "val_accuracy"
    assert list(comparison.settings) == ["optim.learning_rate"]
    rows = comparison.rows
    assert list(rows["optim.learning_rate"]) == [0.2, 0.1]
    assert list(rows["val_accuracy_mean"]) == pytest.approx([0.95, 0.92])
    assert list(rows["val_accuracy_std"]) == pytest.approx([stdev([0.96, 0.94])] * 2)
    assert list(rows["n"]) == [2, 2]


def test_the_best_job_is_in_the_group_with_the_best_mean(jobs: list[Job]) -> None:
    # The best single run is the second one, but the mean of the other group is higher.
    assert find_best_job(jobs, finished(jobs, 0.80, 0.99, 0.93, 0.95)) is jobs[3]


def test_failed_jobs_are_left_out(jobs: list[Job]) -> None:
    results = finished(jobs, 0.91, 0.93, 0.96, 0.94)
    results[jobs[2].config_hash] = JobResult("failed", {"val_accuracy": 1.0})
    results[jobs[3].config_hash] = JobResult("pruned", {"val_accuracy": 1.0})
    comparison = build_leaderboard(jobs, results)
    assert comparison is not None
    assert len(comparison.rows) == 1
    assert find_best_job(jobs, results) is jobs[1]


def test_test_images_neither_rank_the_jobs_nor_select_the_best(jobs: list[Job]) -> None:
    results = finished(jobs, 0.1, 0.2, 0.8, 0.9, metric="test_accuracy_max")
    comparison = build_leaderboard(jobs, results)
    assert comparison is not None
    assert list(comparison.rows["optim.learning_rate"]) == [0.1, 0.2]  # The order of the sweep.
    assert find_best_job(jobs, results) is None


def test_without_a_finished_job_there_is_no_leaderboard(jobs: list[Job]) -> None:
    assert build_leaderboard(jobs, {}) is None
    assert find_best_job(jobs, {}) is None
