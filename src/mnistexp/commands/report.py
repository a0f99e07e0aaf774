"""`mnistexp report`: an HTML page that compares runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistexp.commands.options import Experiment, RunNames, Uri, Where
from mnistexp.errors import InputError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT


def report(
    names: RunNames = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path(
        "report.html"
    ),
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Write an HTML page that compares runs: leaderboard, curves, costs, figures and configs.

    The page needs no network and no other file.
    """
    if not output.absolute().parent.is_dir():
        raise InputError(f"--output: expected a file in a folder that exists. Received: {output}")
    from rich.console import Console

    from mnistexp.analysis.report import build_report
    from mnistexp.analysis.seed_groups import count_unfinished, group_by_seed
    from mnistexp.runs.run_selection import LAST_SWEEP, select_or_last_sweep
    from mnistexp.runs.run_tables import open_run_store, tabulate_runs

    store = open_run_store(experiment, uri)
    runs, title = select_or_last_sweep(store, names or [], where)
    table = tabulate_runs(runs)
    groups, left_out = group_by_seed(table), count_unfinished(table)
    if not groups:
        raise InputError("expected at least one finished run. Received: none")
    num_runs = sum(len(group.runs) for group in groups)
    command = " ".join(["mnistexp", *sys.argv[1:]])
    with Console(stderr=True).status(f"reading {num_runs} runs …"):
        html = build_report(groups, title.removeprefix(LAST_SWEEP), command, store, left_out)
    output.write_text(html)
    counted = "1 run" if num_runs == 1 else f"{num_runs} runs"
    size = f"{output.stat().st_size / 1e6:.1f} MB"
    excluded = f" ({left_out} left out)" if left_out else ""
    print(f"{title}\n{output}: {counted}{excluded}, {size}. Open it in a browser")
