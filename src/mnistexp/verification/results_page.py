"""The results of the experiments as a table for the terminal, and as a Markdown page."""

from collections.abc import Sequence
from itertools import groupby

from rich import get_console

from mnistexp.tables import Cell, Column, Table, print_folded
from mnistexp.verification import ExperimentResult

HEADER = """\
# Results of the experiments

Written by `mnistexp results`; do not edit. All numbers are from logged runs{machine}.

- *expected* is the interval of the final test accuracy that the file of the experiment states
  (`expect:`). Most intervals were chosen from runs like these, so *met* means that a result was
  reproduced, not that it equals the claim of its source.
- *claim* is what the source reports. If it differs from the result, a note follows the table.
- *test accuracy* is the accuracy of the final model: mean ± standard deviation over the seeds.
  *n* is the number of seeds.
- *highest seen* is the highest test accuracy of all evaluations during the training, which is
  what the lab reports. It is selected on the test set, so it is biased upwards. Compare it only
  with the lab's claims.
- Settings below a name shorten an experiment that otherwise takes more than 30 minutes.
- *seconds* is the median duration of a whole run. Some runs shared the machine with other work.
"""
HIGHEST_SEEN = "highest seen: the highest test accuracy of all evaluations in a run"
COLUMNS = (
    *("experiment", "claim", "expected", "test accuracy", "n", ""),
    *("highest seen", "parameters", "seconds"),
)


def format_results_page(results: Sequence[ExperimentResult]) -> str:
    """Return the page: a table and notes for each group of experiments."""
    sections = [
        f"\n## `{group}`\n\n{_table(members)}{_notes(members)}"
        for group, members in (
            (group, list(members))
            for group, members in groupby(results, key=lambda r: r.experiment.partition("=")[0])
        )
    ]
    return HEADER.format(machine=_machine(results)) + "".join(sections)


def _table(results: Sequence[ExperimentResult]) -> str:
    columns = [Column(title, is_text=True) for title in COLUMNS]
    return Table(columns, [_row(result) for result in results]).to_markdown() + "\n"


def _notes(results: Sequence[ExperimentResult]) -> str:
    """Return the notes of the experiments: why results differ from claims, where it is known."""
    notes = [
        f"- `{result.experiment.partition('=')[2]}`: {result.expectation.note}\n"
        for result in results
        if result.expectation.note
    ]
    return "".join(["\n", *notes]) if notes else ""


def _row(result: ExperimentResult) -> tuple[str, ...]:
    name = f"`{result.experiment.partition('=')[2]}`"
    shortened = " ".join(result.expectation.shortened)
    parameters = result.median("num_parameters")
    seconds = result.median("seconds")
    return (
        f"{name}<br>`{shortened}`" if shortened else name,
        result.expectation.claim,
        str(result.expectation),
        result.accuracy_text,
        str(len(result.runs)),
        "met" if result.is_met else "**missed**",
        result.mean_and_std("test_accuracy_max"),
        "–" if parameters is None else f"{parameters:,.0f}",
        "–" if seconds is None else f"{seconds:.0f}",
    )


def print_results(results: Sequence[ExperimentResult], *, wide: bool = False) -> None:
    """Print the table, and what its words mean: `highest seen`, and what to do about `missed`."""
    console = get_console()
    table = tabulate_results(results)
    table.print(console, wide=wide)
    is_shown = "highest seen" in [
        column.title for column in table.shown(console, wide=wide).columns
    ]
    if is_shown and any("test_accuracy_max" in run.metrics for r in results for run in r.runs):
        print_folded(console, HIGHEST_SEEN, style="dim")
    missed = next((result for result in results if not result.is_met), None)
    if missed is not None:
        num_seeds = max(3, 2 * len(missed.runs))
        advice = (
            f"missed: see whether it is chance: mnistexp verify {missed.experiment} "
            f"--seeds {num_seeds}. If not, correct the settings, or expect: in the file"
        )
        print_folded(console, advice, style="dim")


def tabulate_results(results: Sequence[ExperimentResult]) -> Table:
    """Return the table for the terminal: a row for each experiment."""
    columns = [
        *(Column(title, is_text=True) for title in ("experiment", "result", "expected")),
        *(Column("test accuracy"), Column("n", drop=1), Column("seconds", drop=2)),
        *(Column("highest seen", drop=3), Column("parameters", drop=4)),
        *(Column("claim", is_text=True, drop=5), Column("settings", is_text=True, is_below=True)),
    ]
    return Table(columns, [_terminal_row(result) for result in results])


def _terminal_row(result: ExperimentResult) -> list[Cell | str]:
    seconds, parameters = result.median("seconds"), result.median("num_parameters")
    return [
        result.experiment,
        Cell("met", style="green") if result.is_met else Cell("missed", style="red"),
        str(result.expectation),
        result.accuracy_text,
        str(len(result.runs)),
        "–" if seconds is None else f"{seconds:.1f}",
        result.mean_and_std("test_accuracy_max"),
        "–" if parameters is None else f"{parameters:,.0f}",
        result.expectation.claim,
        " ".join(result.expectation.shortened),
    ]


def _machine(results: Sequence[ExperimentResult]) -> str:
    devices = {run.tags["device"] for result in results for run in result.runs}
    return f" on {' and '.join(sorted(devices))}"
