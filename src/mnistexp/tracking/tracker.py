"""The interface that records a run. The base class records nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistexp.tracking.model_package import ModelDescription

if TYPE_CHECKING:
    from matplotlib.figure import Figure

StoreFigures = Callable[[Path], None]
"""Writes what the figures of a run show to a file; see `mnistexp.analysis.figures.stored`."""
SaveModel = Callable[[Path], ModelDescription]
"""Writes the files of a model to a folder that does not exist yet, and returns what they are."""


class Tracker:
    """Records nothing. Subclasses record a run.

    tags_at_end: tags that are recorded when the run is closed after an exception.
    """

    def __init__(self) -> None:
        self.tags_at_end: dict[str, str] = {}

    @property
    def run_id(self) -> str | None:
        """The id of the run in MLflow; None if nothing is recorded or the id is not known yet."""
        return None

    @property
    def reference(self) -> str | None:
        """What children of the run name as their parent; None if nothing is recorded."""
        return self.run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record values measured after `step` steps."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags, by which runs can be filtered."""

    def describe(self, markdown: str) -> None:
        """Describe the run on its page, unless the settings have a description."""

    def log_text(self, text: str, path: str) -> None:
        """Store a text as the artifact `path`."""

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Store a figure as the artifact `path`."""

    def log_figures(self, store: StoreFigures) -> None:
        """Store the figures of the run, unless the setting `figures` is false."""

    def log_artifact(self, file: Path, folder: str) -> None:
        """Store a file among the artifacts, in `folder`."""

    def log_dataset(self, name: str, digest: str, profile: Mapping[str, int]) -> None:
        """Record which data was used. profile: the number of images of each split."""

    def log_model(self, save: SaveModel) -> None:
        """Store the model that `save` writes."""

    def wait_until_sent(self) -> bool:
        """Wait until the ended runs of this process are in the store; return whether they are."""
        return False

    def url(self) -> str | None:
        """Return the address of the run's page; None if nothing is recorded."""
        return None
