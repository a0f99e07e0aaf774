"""Compare the jobs of a sweep, in one row per seed group, and find the best job."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mnistexp.analysis.comparison import Comparison, compare, rank, selection_metric
from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed
from mnistexp.config.config import flatten_config
from mnistexp.sweeps.jobs import Job, JobResult, run_name, varying_settings

if TYPE_CHECKING:
    import pandas

JOB_INDEX = "job_index"


def build_leaderboard(jobs: Sequence[Job], results: Mapping[str, JobResult]) -> Comparison | None:
    """Compare the finished jobs, the best first, by the metric that `selection_metric` returns.

    Without validation images they keep the order of the sweep: test images must not rank jobs.

    Returns:
        The comparison; None if no job has finished.
    """
    groups = group_by_seed(_finished_runs(jobs, results))
    if not groups:
        return None
    metric = selection_metric(groups)
    return compare(groups if metric == "test_accuracy" else rank(groups, metric), metric)


def find_best_job(jobs: Sequence[Job], results: Mapping[str, JobResult]) -> Job | None:
    """Return the job with the best validation accuracy in the seed group with the best mean.

    None if no finished job has validation images: test images must not select a job.
    """
    groups: list[SeedGroup] = [
        group
        for group in group_by_seed(_finished_runs(jobs, results))
        if group.mean("val_accuracy") is not None
    ]
    if not groups:
        return None
    runs = rank(groups, "val_accuracy")[0].runs
    return jobs[int(runs[JOB_INDEX].iloc[int(runs["val_accuracy"].argmax())])]


def _finished_runs(jobs: Sequence[Job], results: Mapping[str, JobResult]) -> "pandas.DataFrame":
    """Return the finished jobs as a table with the columns of `load_runs` that a comparison reads.

    The results are not read from the store, so this works without tracking too.
    """
    import pandas

    varying = varying_settings(jobs)
    columns = ["run_id", "name", "status", "tags.config_hash", "tags.seedless_hash"]
    rows = [
        {
            "run_id": results[job.config_hash].run_id,
            "name": run_name(job, varying),
            "status": "FINISHED",
            "tags.config_hash": job.config_hash,
            "tags.seedless_hash": job.seedless_hash,
            **job.source.used_choices(job.config),
            **flatten_config(job.config),
            **results[job.config_hash].metrics,
            JOB_INDEX: index,
        }
        for index, job in enumerate(jobs)
        if job.config_hash in results and results[job.config_hash].status == "finished"
    ]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)
