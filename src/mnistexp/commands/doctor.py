"""`mnistexp doctor`: check the installation, and print what to do about each problem."""

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
        bool,
        typer.Option(
            "--close-orphaned",
            help="Close runs whose process has ended but whose status is still RUNNING.",
        ),
    ] = False,
) -> None:
    """Check packages, hardware, data, disk, store and runs; print a remedy for each problem.

    The exit code is 1 if there is a problem.
    """
    from rich.console import Console

    from mnistexp.diagnostics import list_checks
    from mnistexp.tracking import tracking_uri

    console = Console()
    results: list[CheckResult] = []
    for check in list_checks(tracking_uri(uri), close_orphaned):
        with console.status(f"{check.title} …"):
            check_results = list(check.run())
        for result in check_results:
            _print_result(result, console)
        results += check_results
    counts = {status: sum(result.status == status for result in results) for status in STYLES}
    console.print(f"\n{counts['problem']} problems, {counts['note']} notes, {counts['ok']} ok")
    if counts["problem"]:
        raise typer.Exit(1)


def _print_result(result: "CheckResult", console: "Console") -> None:
    """Print status, topic and message, and the remedy below the message."""
    from mnistexp.tables import print_folded

    label = f"{result.status:<9}{result.topic:<11}"
    print_folded(console, result.message, label=label, label_style=STYLES[result.status])
    if result.remedy:
        print_folded(console, result.remedy, label=f"{' ' * len(label)}→ ")
