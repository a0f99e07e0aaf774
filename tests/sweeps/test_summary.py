"""The summary of a sweep, from made-up results."""

import csv
import io
from typing import Any

import pytest
import yaml
from matplotlib.figure import Figure
from sweep_store import make_job

from mnistexp.config.config_source import ConfigSource
from mnistexp.sweeps.jobs import Job, JobResult
from mnistexp.sweeps.summary import SweepSummary, export_config


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    return [make_job(f"seed={seed}") for seed in range(6)]


@pytest.fixture(scope="module")
def summary(jobs: list[Job]) -> SweepSummary:
    """Finished, failed, killed, pruned, finished earlier, and not started."""
    results = [
        JobResult("finished", {"val_accuracy": 0.9, "test_accuracy": 0.8}, run_id="r0"),
        JobResult("failed", message="no memory, 8 GB needed", run_id="r1"),
        JobResult("killed", message="interrupted", run_id="r2"),
        JobResult("pruned", message="pruned at step 3", run_id="r3"),
        JobResult("finished", {"val_accuracy": 0.8}, run_id="r4"),
    ]
    by_hash = {job.config_hash: result for job, result in zip(jobs, results, strict=False)}
    return SweepSummary(jobs, by_hash, frozenset([jobs[4].config_hash]), jobs[0])


def test_each_job_is_counted_once(summary: SweepSummary) -> None:
    assert summary.counts() == {
        "num_jobs": 6,
        "num_finished": 1,
        "num_failed": 2,
        "num_pruned": 1,
        "num_skipped": 1,
        "num_left": 1,
    }


class FakeTracker:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.tags: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.description = ""
        self.figures: dict[str, Figure] = {}

    def log_text(self, text: str, path: str) -> None:
        self.texts[path] = text

    def set_tags(self, tags: dict[str, Any]) -> None:
        self.tags |= tags

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics |= metrics

    def log_figure(self, figure: Figure, path: str) -> None:
        self.figures[path] = figure

    def describe(self, markdown: str) -> None:
        self.description = markdown

    def wait_until_sent(self) -> bool:
        return True


class StoreWithoutCurves:
    def __init__(self, _: Any) -> None:
        pass

    def histories(self, _: Any, metrics: list[str]) -> dict[str, dict[str, Any]]:
        return {metric: {} for metric in metrics}


def log(summary: SweepSummary) -> FakeTracker:
    tracker: Any = FakeTracker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnistexp.sweeps.summary.RunStore", StoreWithoutCurves)
        summary.log(tracker, summary.jobs[0].config.tracking, "a sweep")
    fake: FakeTracker = tracker
    return fake


@pytest.fixture(scope="module")
def logged(summary: SweepSummary) -> FakeTracker:
    return log(summary)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_failures_are_logged_with_their_overrides_and_reasons(logged: FakeTracker) -> None:
    assert [tuple(row.values()) for row in rows_of(logged.texts["failures.csv"])] == [
        ("softmax-sgd-s1", "seed=1", "failed", "no memory, 8 GB needed"),
        ("softmax-sgd-s2", "seed=2", "killed", "interrupted"),
    ]


def test_every_job_is_logged_with_its_status_and_run(logged: FakeTracker) -> None:
    rows = rows_of(logged.texts["jobs.csv"])
    assert [row["status"] for row in rows] == [
        *("finished", "failed", "killed", "pruned", "finished", "left"),
    ]
    assert [row["run_id"] for row in rows] == ["r0", "r1", "r2", "r3", "r4", ""]


def test_the_best_job_is_logged(logged: FakeTracker) -> None:
    assert logged.tags["best_run_id"] == "r0"
    assert logged.tags["best_job"] == "softmax-sgd-s0"
    assert logged.metrics["best_val_accuracy"] == 0.9


def test_the_description_has_the_counts_and_the_leaderboard(logged: FakeTracker) -> None:
    counts, _, table = logged.description.partition("\n\n")
    assert counts == "6 jobs, 1 finished, 2 failed, 1 pruned, 1 skipped, 1 left"
    assert "| 2 |" in table


def test_the_figures_by_parameter_leave_out_what_follows_from_the_varied_setting() -> None:
    jobs = [make_job("model=softmax"), make_job("model=conv")]  # Each has its own optimizer.
    results = {job.config_hash: JobResult("finished", {"val_accuracy": 0.9}) for job in jobs}
    figures = log(SweepSummary(jobs, results, frozenset(), jobs[0])).figures
    axes = figures["by_parameter/val_accuracy.png"].axes
    assert [panel.get_xlabel() for panel in axes] == ["model"]


def test_the_exported_config_has_the_choices_and_the_typed_settings() -> None:
    overrides = ("model=conv", "optim.learning_rate=1e-3", "model.layers.conv1.filters=8")
    source = ConfigSource(choices={"model": "conv", "optim": "sgd"}, overrides=overrides)
    text = export_config(source)
    assert text.startswith("# @package _global_\n")
    assert yaml.safe_load(text) == {
        "defaults": [{"override /model": "conv"}],
        "optim": {"learning_rate": 0.001},
        "model": {"layers": {"conv1": {"filters": 8}}},
    }
