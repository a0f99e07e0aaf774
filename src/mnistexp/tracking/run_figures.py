"""Draw the figures of a run in the tracking process, as PNG files."""

import shutil
from importlib import import_module
from pathlib import Path

DRAWING_MODULE = "mnistexp.analysis.figures.stored"
"""By name, because it belongs to a layer above. It reads files and needs no store."""


def import_drawing() -> None:
    """Import what drawing needs."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401

    import_module(DRAWING_MODULE)


def draw_figures(file: Path, run_id: str) -> list[Path]:
    """Draw the figures that a file describes, once, and return their PNG files.

    Args:
        file: from `mnistexp.analysis.figures.stored`.
    """
    folder = file.parent / "drawn"
    if not folder.exists():
        unfinished = file.parent / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # An earlier try was interrupted.
        unfinished.mkdir()
        for name, figure in import_module(DRAWING_MODULE).draw_stored_figures(file, run_id):
            figure.savefig(unfinished / f"{name}.png")
        unfinished.rename(folder)
    return sorted(folder.iterdir())
