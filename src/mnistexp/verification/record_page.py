"""The Markdown page of the experiments of `record`: results, pictures, and what was tried."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mnistexp.analysis.comparison import rank
from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed
from mnistexp.analysis.setting_differences import describe_changes
from mnistexp.analysis.significance import difference_interval
from mnistexp.config.compose import RECORD_GROUP, SEARCH_SETTINGS
from mnistexp.config.config_groups import option_file
from mnistexp.runs.run_tables import tabulate_runs
from mnistexp.tables import Column, Table
from mnistexp.tracking import RunRecord, RunStore
from mnistexp.verification.record_protocol import find_runs_of_recipe
from mnistexp.verification.verify import ExperimentResult, PlannedRun

HEADER = f"""\
# Records under an honest protocol

Written by `mnistexp results {RECORD_GROUP} --output experiments/{RECORD_GROUP}/README.md`; do not
edit. All numbers are from logged runs on {{machine}}.

## Protocol

The runner enforces it:

1. Everything is chosen on validation images, with runs that leave the test images unread:
   `mnistexp {RECORD_GROUP}=NAME {SEARCH_SETTINGS}`.
   `{RECORD_GROUP}=…` with `train.evaluate_on=[test]`, or with validation and test images together,
   is an error.
2. The chosen config trains on all 60,000 images. Its final weights read the test images once for
   each seed.
3. `mnistexp verify {RECORD_GROUP} --seeds 5` shows every seed, and names runs of the same recipe
   that read test images in another way.

## Results

*test accuracy* is that of the final weights: mean ± standard deviation over *n* seeds. *seconds* is
the median duration of a whole run. Some runs shared the machine with other work.

"""
NOTHING_TRIED = "The store has no other run that was measured on validation images.\n"
TRIED = """\
Each row differs from the chosen recipe by *changed*. None of these runs read the test images; they
were measured on validation images. *difference* is the mean validation accuracy minus that of the
chosen recipe, with its 95 % interval (Welch's t). An interval that contains 0 says that there may
be no difference.

"""
FIGURES = {"learning_curves": "Learning curves", "mistakes": "The test digits that are still wrong"}
"""The figures of the run with the smallest seed that are shown, by the name of their file."""
VALIDATION = "val_accuracy"


def write_record_page(
    file: Path, results: Sequence[ExperimentResult], planned: Sequence[PlannedRun], store: RunStore
) -> None:
    """Write the page, and its pictures beside it.

    Args:
        results: of experiments of the group `record`.
        planned: at least one run of each of them.
        store: the store of the runs.
    """
    runs = store.runs()
    plans = {plan.experiment: plan for plan in planned}
    machine = " and ".join(sorted({run.tags["device"] for r in results for run in r.runs}))
    parts = [HEADER.format(machine=machine), _tabulate(results, runs).to_markdown(), "\n"]
    for result in results:
        name = _option(result.experiment)
        pictures = _save_pictures(result, file.parent, store)
        parts += [_describe(result.experiment, pictures), "\n### What was tried\n\n"]
        of_recipe = {run.run_id for run in find_runs_of_recipe(plans[result.experiment], runs)}
        parts.append(_describe_trials(_trials(name, runs), of_recipe))
    file.write_text("".join(parts))


def _option(experiment: str) -> str:
    return experiment.partition("=")[2]


def _tabulate(results: Sequence[ExperimentResult], runs: Sequence[RunRecord]) -> Table:
    """Return a row for each experiment, and one for each ensemble of its runs."""
    texts = ("experiment", "test accuracy", "each seed")
    titles = ("experiment", "parameters", "n", "test accuracy", "each seed", "seconds")
    rows = []
    for result in results:
        rows.append(_result_row(result))
        rows += [_ensemble_row(run, result) for run in runs if _is_ensemble_of(run, result)]
    return Table([Column(title, title in texts) for title in titles], rows)


def _result_row(result: ExperimentResult) -> list[str]:
    parameters, seconds = result.median("num_parameters"), result.median("seconds")
    return [
        f"`{result.experiment}`",
        "–" if parameters is None else f"{parameters:,.0f}",
        str(len(result.runs)),
        result.accuracy_text,
        ", ".join(f"{accuracy:.4f}" for accuracy in result.test_accuracies),
        "–" if seconds is None else f"{seconds:,.0f}",
    ]


def _is_ensemble_of(run: RunRecord, result: ExperimentResult) -> bool:
    members = run.params.get("ensemble.runs", "").split()
    return bool(members) and {*members} <= {member.run_id for member in result.runs}


def _ensemble_row(run: RunRecord, result: ExperimentResult) -> list[str]:
    size, parameters = run.params["ensemble.size"], run.metrics["num_parameters"]
    name = f"the mean of {size} of these models: `mnistexp ensemble {RECORD_GROUP}."
    name += f"{_option(result.experiment)}`"
    return [name, f"{parameters:,.0f}", "–", f"{run.metrics['test_accuracy']:.4f}", "–", "–"]


def _save_pictures(result: ExperimentResult, folder: Path, store: RunStore) -> dict[str, str]:
    """Save figures of the first run, and return the names of their files by their titles."""
    saved = {}
    for figure, title in FIGURES.items():
        content = store.artifact(result.runs[0].run_id, f"figures/{figure}.png")
        if content is not None:
            name = f"{_option(result.experiment)}_{figure}.png"
            (folder / name).write_bytes(content)
            saved[title] = name
    return saved


def _describe(experiment: str, pictures: Mapping[str, str]) -> str:
    """Return a section with the file of an experiment, and its pictures."""
    file = option_file(*experiment.split("="))
    assert file is not None
    lines = [f"\n## `{experiment}`\n", f"```yaml\n{file.read_text().strip()}\n```"]
    for title, picture in pictures.items():
        lines += [f"\n{title}, run of the first seed:\n", f"![{title}]({picture})"]
    return "\n".join(lines) + "\n"


def _trials(name: str, runs: Sequence[RunRecord]) -> list[SeedGroup]:
    """Return the groups of seeds of an experiment that left the test images unread, best first."""
    found = [
        run
        for run in runs
        if run.params.get(RECORD_GROUP) == name and run.params.get("data.use_test") == "False"
    ]
    return rank(group_by_seed(tabulate_runs(found)), VALIDATION) if found else []


def _describe_trials(trials: Sequence[SeedGroup], of_recipe: set[str]) -> str:
    """Return a table of the trials, and of their differences to the chosen recipe.

    Args:
        of_recipe: the ids of the runs of the chosen recipe.
    """
    chosen = next((group for group in trials if of_recipe & {*group.runs["run_id"]}), None)
    if chosen is None or len(trials) < 2:
        return NOTHING_TRIED
    titles = ("changed", "n", "validation accuracy", "difference")
    columns = [Column(title, is_text=title != "n") for title in titles]
    rows = [_trial_row(group, chosen) for group in trials]
    return TRIED + Table(columns, rows).to_markdown() + "\n"


def _trial_row(group: SeedGroup, chosen: SeedGroup) -> list[str]:
    mean, std = group.mean(VALIDATION), group.std(VALIDATION)
    accuracy = f"{mean:.4f}" + (f" ± {std:.4f}" if std is not None else "")
    is_chosen = group is chosen
    return [
        "**the chosen recipe**" if is_chosen else "; ".join(describe_changes(chosen, group)),
        str(len(group.runs)),
        accuracy,
        "" if is_chosen else _format_difference(chosen, group),
    ]


def _format_difference(chosen: SeedGroup, group: SeedGroup) -> str:
    difference, interval = difference_interval(chosen, group, VALIDATION)
    if interval is None:
        return f"{difference:+.4f} (single seed)"
    return f"{difference:+.4f} [{interval[0]:+.4f}, {interval[1]:+.4f}]"
