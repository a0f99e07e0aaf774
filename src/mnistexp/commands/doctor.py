"""`mnistexp doctor`: whether everything is in order, and what to do."""

from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Uri

if TYPE_CHECKING:
    from rich.console import Console

    from mnistexp.diagnostics import CheckResult

STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


def doctor(
    uri: Uri = None,
    close_orphaned: Annotated[
        bool, typer.Option("--close-lost", help="Close runs that a crash left RUNNING, as KILLED.")
    ] = False,
) -> None:
    """Check packages, processor, data, store, runs and disk; say what to do.

    Ends with exit code 1 where there is a problem.
    """
    from rich.console import Console

    from mnistexp.diagnostics import checkup
    from mnistexp.tracking import tracking_uri

    console = Console()
    found: list[CheckResult] = []
    for check in checkup(tracking_uri(uri), close_orphaned):
        with console.status(f"{check.title} …"):
            findings = list(check.findings())
        for finding in findings:
            _print(finding, console)
        found += findings
    counts = {status: sum(f.status == status for f in found) for status in STYLES}
    console.print(f"\n{counts['problem']} problems, {counts['note']} notes, {counts['ok']} ok")
    if counts["problem"]:
        raise typer.Exit(1)


def _print(finding: "CheckResult", console: "Console") -> None:
    """One line, folded under itself, and what to do on a line of its own."""
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=7, style=STYLES[finding.status])
    line.add_column(width=9)
    line.add_column(overflow="fold")
    line.add_row(finding.status, finding.topic, Text(finding.text))
    if finding.remedy:
        line.add_row("", "", Text(f"→ {finding.remedy}"))
    console.print(line)
