"""The jobs of a sweep compared: one row a recipe, its seeds folded to mean ± standard deviation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mnistexp.sweeper.jobs import Job, short_names, varying
from mnistexp.sweeper.outcome import Outcome

if TYPE_CHECKING:
    import pandas

FOLDED = ("val_accuracy", "test_accuracy", "val_loss", "test_loss", "test_accuracy_max")
AVERAGED = ("num_parameters", "seconds")


def leaderboard(jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> "pandas.DataFrame":
    """The finished jobs, best validation accuracy first.

    Without validation images no figure may choose, so the order is that of the sweep.

    Returns:
        A row for each recipe: the settings that differ, `n` seeds, `…_mean` and `…_std` of the
        final metrics (the standard deviation is NaN for one seed), parameters and seconds.
    """
    import pandas

    rows = _rows(jobs, outcomes)
    different = [key for key in varying(jobs) if key != "seed"]
    if rows.empty:
        return rows
    groups = rows.groupby("recipe", sort=False)
    columns: dict[str, Any] = {
        short_names(different)[key]: groups[key].first() for key in different
    }
    columns["n"] = groups.size()
    for metric in [metric for metric in FOLDED if metric in rows]:
        columns[f"{metric}_mean"] = groups[metric].mean()
        columns[f"{metric}_std"] = groups[metric].std()
    for metric in [metric for metric in AVERAGED if metric in rows]:
        columns[metric] = groups[metric].mean()
    table = pandas.DataFrame(columns).reset_index(drop=True)
    if "val_accuracy_mean" not in table:
        return table
    return table.sort_values("val_accuracy_mean", ascending=False, kind="stable", ignore_index=True)


def best_job(jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> Job | None:
    """Of the recipe with the best mean validation accuracy, the job with the best one.

    None where no finished job has validation images: the test images never choose.
    """
    rows = _rows(jobs, outcomes)
    if "val_accuracy" not in rows or rows["val_accuracy"].isna().all():
        return None
    best = rows.groupby("recipe")["val_accuracy"].mean().idxmax()
    of_best = rows[rows["recipe"] == best]
    return jobs[int(of_best["job"].iloc[int(of_best["val_accuracy"].argmax())])]


def _rows(jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> "pandas.DataFrame":
    """One row for each finished job: its settings, its final metrics, its recipe and its number."""
    import pandas

    different = varying(jobs)
    rows = []
    for number, job in enumerate(jobs):
        outcome = outcomes.get(job.config_hash)
        if outcome is None or outcome.status != "finished":
            continue
        settings = {key: job.settings.get(key, "") for key in different}
        rows.append({**settings, **outcome.metrics, "recipe": job.recipe_hash, "job": number})
    return pandas.DataFrame(rows)
