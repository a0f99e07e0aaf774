"""Draw the figures of a run in the tracking process, as PNG files."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

DRAWING_MODULE = "mnistexp.analysis.figures.stored"
"""By name, because it belongs to a layer above. It reads files and needs no store."""


def import_drawing() -> None:
    """Import what drawing needs."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401

    import_module(DRAWING_MODULE)


def draw_figures(file: Path, run_id: str) -> Iterator[Path]:
    """Draw the figures that a file describes, one after the other, and yield their PNG files.

    Args:
        file: from `mnistexp.analysis.figures.stored`.
    """
    for name, figure in import_module(DRAWING_MODULE).draw_stored_figures(file, run_id):
        drawn = file.parent / f"{name}.png"
        figure.savefig(drawn)
        yield drawn
