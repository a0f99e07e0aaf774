"""At the end of a sweep: what its own run keeps, and what the user reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnistexp.analysis import SWEEP_JOBS, Comparison, ComparisonFormatter, short_names
from mnistexp.analysis.figures import draw_learning_curves, draw_metric_by_parameter
from mnistexp.sweeps.export_config import export_config
from mnistexp.sweeps.job_result import JobResult
from mnistexp.sweeps.jobs import Job, run_name, shown, varying_settings
from mnistexp.sweeps.leaderboard import leaderboard
from mnistexp.tracking import (
    MlflowTracking,
    Tracker,
    TrackingConfig,
    browse_hint,
    metric_history,
)

MAX_DESCRIPTION = 5_000
"""Characters that MLflow has room for."""
CURVES = ("val_accuracy", "test_accuracy", "train_loss")


@dataclass(frozen=True)
class SweepSummary:
    """A sweep as it stands at its end.

    outcomes: by `config_hash`, as far as jobs have ended. skipped: those of them that had been
    finished by other sweeps or by runs of their own. best: the job that is to be named so, if any.
    """

    jobs: Sequence[Job]
    outcomes: Mapping[str, JobResult]
    skipped: frozenset[str]
    best: Job | None

    @property
    def failures(self) -> list[tuple[Job, JobResult]]:
        """The jobs that did not end as they should, and how they did."""
        ended = [(job, self.outcomes[job.config_hash]) for job in self.jobs if self._ended(job)]
        return [(job, outcome) for job, outcome in ended if outcome.status in ("failed", "killed")]

    def counts(self) -> dict[str, float]:
        """How many jobs there are, and how many of them ended in which way."""
        statuses = [
            self.outcomes[job.config_hash].status
            for job in self.jobs
            if self._ended(job) and job.config_hash not in self.skipped
        ]
        return {
            "num_jobs": len(self.jobs),
            "num_finished": statuses.count("finished"),
            "num_failed": statuses.count("failed") + statuses.count("killed"),
            "num_pruned": statuses.count("pruned"),
            "num_skipped": len(self.skipped),
            "num_left": sum(not self._ended(job) for job in self.jobs),
        }

    def close(self, tracker: Tracker, tracking: TrackingConfig) -> None:
        """Keep what the sweep's own run is to have, and tell the user."""
        if isinstance(tracking, MlflowTracking):
            self._log(tracker, tracking)
        self._print()
        print(browse_hint(tracking, tracker.page()), flush=True)

    def _log(self, tracker: Tracker, tracking: MlflowTracking) -> None:
        """Counts, best job, leaderboard, failures and pictures."""
        tracker.log_metrics(self.counts(), step=0)
        tracker.log_text(self._jobs_csv(), SWEEP_JOBS)
        tracker.log_text(self._failures_csv(), "failures.csv")
        self._log_best(tracker)
        comparison = leaderboard(self.jobs, self.outcomes)
        if comparison is not None:
            tracker.log_text(comparison.rows.to_csv(index=False), "leaderboard.csv")
            self._log_figures(tracker, tracking, comparison)
            table = ComparisonFormatter(comparison, False, "", "").as_markdown()
            tracker.describe(f"{self._counts_in_words()}\n\n{table}"[:MAX_DESCRIPTION])

    def _print(self) -> None:
        """The leaderboard."""
        comparison = leaderboard(self.jobs, self.outcomes)
        if comparison is not None:
            ComparisonFormatter(comparison, False, "", "").write("table", [])
            if comparison.metric != "val_accuracy":
                print("In the order of the sweep: without validation images none is best.")

    def _ended(self, job: Job) -> bool:
        return job.config_hash in self.outcomes

    def _log_best(self, tracker: Tracker) -> None:
        if self.best is None:
            return
        best, outcome = self.best, self.outcomes[self.best.config_hash]
        shown = {name: f"{value:.6g}" for name, value in outcome.metrics.items()}
        tracker.set_tags(
            {
                "best_run_id": outcome.run_id or "",
                "best_job": run_name(best, varying_settings(self.jobs)),
                **{f"best_{name}": shown[name] for name in shown if "accuracy" in name},
            }
        )
        tracker.log_metrics(
            {f"best_{name}": v for name, v in outcome.metrics.items() if "accuracy" in name}, step=0
        )
        tracker.log_text(export_config(best.origin), "best.yaml")

    def _counts_in_words(self) -> str:
        counts = {name.removeprefix("num_"): count for name, count in self.counts().items()}
        return ", ".join(f"{count:.0f} {word}" for word, count in counts.items() if count)

    def _jobs_csv(self) -> str:
        """Every job, how it ended and the run that has its figures."""
        import pandas

        outcomes = [self.outcomes.get(job.config_hash) for job in self.jobs]
        rows = [
            {
                "job": run_name(job, varying_settings(self.jobs)),
                "status": outcome.status if outcome else "left",
                "run_id": outcome.run_id if outcome else None,
            }
            for job, outcome in zip(self.jobs, outcomes, strict=True)
        ]
        return str(pandas.DataFrame(rows, columns=["job", "status", "run_id"]).to_csv(index=False))

    def _failures_csv(self) -> str:
        import pandas

        rows = [
            {
                "job": run_name(job, varying_settings(self.jobs)),
                "overrides": " ".join(job.origin.overrides),
                "status": outcome.status,
                "message": outcome.message,
            }
            for job, outcome in self.failures
        ]
        columns = ["job", "overrides", "status", "message"]
        return str(pandas.DataFrame(rows, columns=columns).to_csv(index=False))

    def _log_figures(
        self, tracker: Tracker, tracking: MlflowTracking, comparison: Comparison
    ) -> None:
        for metric in CURVES:
            curves = self._curves(tracking, metric)
            if curves:
                tracker.log_figure(draw_learning_curves(metric, curves), f"curves/{metric}.png")
        for metric in ("val_accuracy", "test_accuracy"):
            if comparison.settings and f"{metric}_mean" in comparison.rows:
                figure = draw_metric_by_parameter(comparison.rows, comparison.settings, metric)
                tracker.log_figure(figure, f"by_parameter/{metric}.png")

    def _curves(
        self, tracking: MlflowTracking, metric: str
    ) -> dict[str, list[Sequence[tuple[int, float]]]]:
        """The curves of all jobs that got somewhere, by recipe."""
        different = [key for key in varying_settings(self.jobs) if key != "seed"]
        curves: dict[str, list[Sequence[tuple[int, float]]]] = {}
        for job in self.jobs:
            outcome = self.outcomes.get(job.config_hash)
            if outcome is None or outcome.run_id is None:
                continue
            values = metric_history(tracking, outcome.run_id, metric)
            if values:
                curves.setdefault(_label(job, different), []).append(values)
        return curves


def _label(job: Job, different: Sequence[str]) -> str:
    names = short_names(different)
    values = [(names[key], shown(job.settings.get(key, "default"))) for key in different]
    if not values:
        return job.origin.run_name(job.config).rpartition("-")[0]
    return ", ".join(v if n in job.origin.choices else f"{n}={v}" for n, v in values)
