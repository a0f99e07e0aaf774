"""The runs that a command is about."""

from typing import TYPE_CHECKING

from mnistexp.analysis import filter_runs, last_sweep, load_runs, select_runs, tracking_of
from mnistexp.errors import InputError

if TYPE_CHECKING:
    import pandas


def chosen_runs(
    names: list[str], where: str, uri: str | None, experiment: str
) -> "tuple[pandas.DataFrame, str]":
    """The runs that names and a filter choose, and a title for them.

    Without either: those of the last sweep, or all where there is no sweep yet.

    Raises:
        InputError: there is no such store, a name means nothing, or no run is left.
    """
    runs = load_runs(experiment=experiment, uri=uri)
    title = " ".join(names) or "all runs"
    sweep = last_sweep(runs)
    if not names and not where and sweep is not None:
        names, title = [str(sweep["run_id"])], f"{sweep['name']}, {sweep['started']:%Y-%m-%d %H:%M}"
    chosen = select_runs(runs, names, tracking_of(experiment, uri)) if names else runs
    found = filter_runs(chosen, where)
    if found.empty:
        raise InputError(f"--where: no run has {where!r}" if where else "there are no runs yet")
    return found, f"{title}, where {where}" if where else title
