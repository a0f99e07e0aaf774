"""The summary of a sweep, which is printed and logged to its run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mnistexp.analysis.comparison import Comparison
from mnistexp.analysis.comparison_format import ComparisonFormatter
from mnistexp.analysis.figures import draw_curves, draw_metric_by_parameter
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.run_names import format_value, short_names
from mnistexp.runs.run_selection import SWEEP_JOBS
from mnistexp.sweeps.jobs import Job, JobResult, run_name, varying_settings
from mnistexp.sweeps.leaderboard import build_leaderboard
from mnistexp.tracking import (
    Curve,
    MlflowTracking,
    RunStore,
    Tracker,
    TrackingConfig,
)

MAX_DESCRIPTION = 5_000
"""Maximum number of characters of a description in MLflow."""
UNRANKED = "that of the sweep: without validation images the jobs are not ranked"
MAX_ENDINGS = 20
"""Maximum number of jobs that are listed with the reason why they did not finish."""
CURVES = ("val_accuracy", "test_accuracy", "train_loss")
EXPORT_HEADER = """\
# @package _global_
# The best job of a sweep. Save this file as experiments/user/best.yaml and run it:
#
#   mnistexp user=best
#
"""


@dataclass(frozen=True)
class SweepSummary:
    """The jobs of a sweep and their results.

    Attributes:
        results: the results of the jobs that have ended, by `config_hash`.
        skipped: the keys of results that single runs or other sweeps produced.
        best_job: None if none can be selected without test images.
        log_settings: the settings that a search sampled on a logarithmic scale.
    """

    jobs: Sequence[Job]
    results: Mapping[str, JobResult]
    skipped: frozenset[str]
    best_job: Job | None
    log_settings: frozenset[str] = frozenset()

    def counts(self) -> dict[str, int]:
        """Return the number of jobs, and how many of them ended in each way."""
        statuses = [
            result.status for job, result in self._ended if job.config_hash not in self.skipped
        ]
        return {
            "num_jobs": len(self.jobs),
            "num_finished": statuses.count("finished"),
            "num_failed": statuses.count("failed") + statuses.count("killed"),
            "num_pruned": statuses.count("pruned"),
            "num_skipped": len(self.skipped),
            "num_left": len(self.jobs) - len(self._ended),
        }

    def print(self) -> None:
        """Print the finished jobs, if there are any, and how the others ended."""
        comparison = self._leaderboard
        if comparison is not None:
            metric = comparison.metric
            order = UNRANKED if metric == "test_accuracy" else f"best {metric} first"
            formatter = ComparisonFormatter(comparison, title="the finished jobs", order=order)
            formatter.write(hint="mnistexp compare --wide shows all")
        print(*self._other_endings(), sep="\n", end="\n" if self._other_endings() else "")

    def log(self, tracker: Tracker, tracking: TrackingConfig, title: str) -> None:
        """Log counts, the best job, the leaderboard, failures and figures to the sweep's run.

        title: names the sweep in the figures.
        """
        if not isinstance(tracking, MlflowTracking):
            return
        counts = self.counts()
        tracker.log_metrics(counts, step=0)
        tracker.log_text(self._jobs_csv(), SWEEP_JOBS)
        tracker.log_text(self._failures_csv(), "failures.csv")
        if self.best_job is not None:
            self._log_best(tracker, self.best_job, self.results[self.best_job.config_hash])
        comparison = self._leaderboard
        if comparison is not None:
            tracker.log_text(comparison.rows.to_csv(index=False), "leaderboard.csv")
            self._log_figures(tracker, tracking, comparison, title)
            listed = [f"{n} {name.removeprefix('num_')}" for name, n in counts.items() if n]
            table = ComparisonFormatter(comparison).to_table().to_markdown()
            endings = "\n".join(f"- {text}" for text in self._other_endings())
            description = f"{', '.join(listed)}\n\n{table}\n\n{endings}".rstrip()
            tracker.describe(description[:MAX_DESCRIPTION])

    @cached_property
    def _varying(self) -> list[str]:
        return varying_settings(self.jobs)

    @cached_property
    def _leaderboard(self) -> Comparison | None:
        return build_leaderboard(self.jobs, self.results)

    @cached_property
    def _ended(self) -> list[tuple[Job, JobResult]]:
        return [
            (job, self.results[job.config_hash])
            for job in self.jobs
            if job.config_hash in self.results
        ]

    def _other_endings(self) -> list[str]:
        """Return a line for each of the first jobs that ended without finishing."""
        lines = [
            f"{run_name(job, self._varying)}: {result.ending}"
            for job, result in self._ended
            if result.status != "finished"
        ]
        more = [f"… and {len(lines) - MAX_ENDINGS} more"] if len(lines) > MAX_ENDINGS else []
        return [*lines[:MAX_ENDINGS], *more]

    def _log_best(self, tracker: Tracker, job: Job, result: JobResult) -> None:
        metrics = {
            f"best_{name}": value for name, value in result.metrics.items() if "accuracy" in name
        }
        tracker.set_tags(
            {
                "best_run_id": result.run_id or "",
                "best_job": run_name(job, self._varying),
                **{name: f"{value:.6g}" for name, value in metrics.items()},
            }
        )
        tracker.log_metrics(metrics, step=0)
        tracker.log_text(export_config(job.source), "best.yaml")

    def _jobs_csv(self) -> str:
        """Return the status of each job and the id of its run."""
        ended = {job.config_hash: result for job, result in self._ended}
        rows = []
        for job in self.jobs:
            result = ended.get(job.config_hash)
            name = run_name(job, self._varying)
            if result is None:
                rows.append([name, "left", None, ""])
            else:
                rows.append([name, result.status, result.run_id, result.message])
        return _to_csv(["job", "status", "run_id", "reason"], rows)

    def _failures_csv(self) -> str:
        rows = [
            [
                run_name(job, self._varying),
                " ".join(job.source.overrides),
                result.status,
                result.message,
            ]
            for job, result in self._ended
            if result.has_failed
        ]
        return _to_csv(["job", "overrides", "status", "message"], rows)

    def _log_figures(
        self, tracker: Tracker, tracking: MlflowTracking, comparison: Comparison, title: str
    ) -> None:
        finished, pruned = self._curves(tracker, tracking)
        for metric in [metric for metric in CURVES if finished[metric]]:
            figure = draw_curves(title, {metric: finished[metric]}, {metric: pruned[metric]})
            tracker.log_figure(figure, f"curves/{metric}.png")
        # Other settings may follow from these: each model has its optimizer.
        varied = [name for name in comparison.settings if self._is_varied(name)]
        for metric in ("val_accuracy", "test_accuracy"):
            if varied and f"{metric}_mean" in comparison.rows:
                figure = draw_metric_by_parameter(
                    title, comparison.rows, varied, metric, self.log_settings
                )
                tracker.log_figure(figure, f"by_parameter/{metric}.png")

    def _is_varied(self, setting: str) -> bool:
        """Whether the sweep varies a setting, or the mapping that it belongs to."""
        return any(f"{setting}.".startswith(f"{varied}.") for varied in self._varying)

    def _curves(
        self, tracker: Tracker, tracking: MlflowTracking
    ) -> tuple[dict[str, dict[str, list[Curve]]], dict[str, list[Curve]]]:
        """Return curves by metric: of finished jobs by label, best first, and of pruned jobs."""
        varying = [key for key in self._varying if key != "seed"]
        with_runs = [(job, result) for job, result in self._ended if result.run_id is not None]
        ids = [result.run_id for _, result in with_runs if result.run_id is not None]
        finished: dict[str, dict[str, list[Curve]]] = {}
        pruned: dict[str, list[Curve]] = {}
        can_read = ids and tracker.wait_until_sent()  # A failing store, or none, has no curves.
        histories = RunStore(tracking).histories(ids, CURVES) if can_read else {}
        for metric in CURVES:
            found = histories.get(metric, {})
            of_metric = finished.setdefault(metric, {})
            pruned[metric] = []
            for job, result in sorted(with_runs, key=_by_accuracy):
                curve = found.get(result.run_id or "")
                if curve and result.status == "pruned":
                    pruned[metric].append(curve)
                elif curve:
                    of_metric.setdefault(_curve_label(job, varying), []).append(curve)
        return finished, pruned


def _by_accuracy(ended: tuple[Job, JobResult]) -> float:
    """Sort jobs by validation accuracy, the best first; without one they keep their order."""
    return -ended[1].metrics.get("val_accuracy", 0.0)


def export_config(source: ConfigSource) -> str:
    """Return the text of an experiment file with the choices and settings of a run."""
    parser = OverridesParser.create()
    defaults = []
    settings = OmegaConf.create({})
    for text in source.overrides:
        override = parser.parse_override(text)
        key, value = override.key_or_group, override.value()
        if key in source.choices:
            defaults.append({f"override /{key}": value})
        else:
            OmegaConf.update(settings, key, value, force_add=True)
    content: dict[str, Any] = {"defaults": defaults} if defaults else {}
    return EXPORT_HEADER + OmegaConf.to_yaml(OmegaConf.merge(content, settings))


def _curve_label(job: Job, varying: Sequence[str]) -> str:
    names = short_names(varying)
    values = {key: format_value(job.settings.get(key, "default")) for key in varying}
    if not values:
        return job.source.run_name(job.config).rpartition("-")[0]
    return ", ".join(
        value if key in job.source.choices else f"{names[key]}={value}"
        for key, value in values.items()
    )


def _to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    import pandas

    return str(pandas.DataFrame(rows, columns=list(columns)).to_csv(index=False))
