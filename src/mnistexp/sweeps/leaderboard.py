"""The jobs of a sweep compared: one row a recipe, its seeds folded to mean ± standard deviation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mnistexp.analysis import (
    Comparison,
    SeedGroup,
    compare,
    group_by_seed,
    ranked,
    selection_metric,
)
from mnistexp.config.config import flatten_config
from mnistexp.sweeps.job_result import JobResult
from mnistexp.sweeps.jobs import Job, run_name, varying_settings

if TYPE_CHECKING:
    import pandas

JOB = "job"
"""The column of a job's number."""


def leaderboard(jobs: Sequence[Job], outcomes: Mapping[str, JobResult]) -> Comparison | None:
    """The finished jobs, best validation accuracy first; None where none has finished.

    Without validation images no figure may choose, so the order is that of the sweep.
    """
    recipes = _recipes(jobs, outcomes)
    if not recipes:
        return None
    metric = selection_metric(recipes)
    return compare(ranked(recipes, metric) if metric == "val_accuracy" else recipes, metric)


def best_job(jobs: Sequence[Job], outcomes: Mapping[str, JobResult]) -> Job | None:
    """Of the recipe with the best mean validation accuracy, the job with the best one.

    None where no finished job has validation images: the test images never choose.
    """
    recipes = [recipe for recipe in _recipes(jobs, outcomes) if recipe.mean("val_accuracy")]
    if not recipes:
        return None
    runs = ranked(recipes, "val_accuracy")[0].runs
    return jobs[int(runs[JOB].iloc[int(runs["val_accuracy"].argmax())])]


def _recipes(jobs: Sequence[Job], outcomes: Mapping[str, JobResult]) -> list[SeedGroup]:
    return group_by_seed(_runs(jobs, outcomes))


def _runs(jobs: Sequence[Job], outcomes: Mapping[str, JobResult]) -> "pandas.DataFrame":
    """The finished jobs as `load_runs` would give them, and their numbers."""
    import pandas

    different = varying_settings(jobs)
    rows = [
        {
            "run_id": outcomes[job.config_hash].run_id,
            "name": run_name(job, different),
            "status": "FINISHED",
            "tags.config_hash": job.config_hash,
            "tags.seedless_hash": job.seedless_hash,
            **job.origin.choices,
            **flatten_config(job.config),
            **outcomes[job.config_hash].metrics,
            JOB: number,
        }
        for number, job in enumerate(jobs)
        if job.config_hash in outcomes and outcomes[job.config_hash].status == "finished"
    ]
    columns = ["run_id", "name", "status", "tags.config_hash", "tags.seedless_hash"]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)
