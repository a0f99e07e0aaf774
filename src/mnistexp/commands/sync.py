"""`mnistexp sync`: send runs to the store that were recorded while it was not available."""

from pathlib import Path
from typing import Annotated

import typer

from mnistexp.errors import ConfigError


def sync(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER…]", help="Folders of runs, or with folders of runs. Default: runs"
        ),
    ] = None,
    uri: Annotated[
        str | None, typer.Option(help="The tracking store. Default: the one that each run names.")
    ] = None,
) -> None:
    """Send recorded runs to their store: of tracking.offline=true, or after the store failed.

    The exit code is 1 if a run could not be sent. It can be sent again later.
    """
    from mnistexp.tracking.journal_sync import find_journals_by_start, sync_journal

    for folder in folders or []:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: expected the folder of a run. Received: no folder")
    journals = find_journals_by_start(folders or [Path("runs")])
    results = []
    for number, journal in enumerate(journals):
        print(f"run {number + 1} of {len(journals)}: {journal.parent} …", flush=True)
        results.append(sync_journal(journal, uri))
        print(f"  {results[-1]}", flush=True)
    num_sent = sum(result.was_sent for result in results)
    print(f"{num_sent} run{'' if num_sent == 1 else 's'} sent, {len(results) - num_sent} not sent")
    if num_sent < len(results):
        raise typer.Exit(1)
