"""What a run is recorded by, and its do-nothing twin."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.models import Model

DrawFigures = Callable[[], "Iterator[tuple[str, Figure]]"]
"""Draws pictures one after the other, and names them."""
SaveModel = Callable[[str, "Model"], None]
"""Writes an MLflow model to a folder that does not exist yet, and completes its description."""


class Tracker(Protocol):
    """Where a run is recorded."""

    run_id: str | None

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings; values of over 6,000 characters are cut."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record values measured after `step` steps."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record what runs can be filtered by."""

    def describe(self, markdown: str) -> None:
        """Say on the run's page what it is, unless the settings have a description."""

    def log_text(self, text: str, path: str) -> None:
        """Store a text as the artifact `path`."""

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Store a picture as the artifact `path`."""

    def log_figures(self, draw: "DrawFigures") -> None:
        """Store the pictures that `draw` makes, if pictures are wanted."""

    def log_artifact(self, file: Path, folder: str) -> None:
        """Store a file among the artifacts, in `folder`."""

    def log_dataset(self, name: str, digest: str, profile: Mapping[str, int]) -> None:
        """Record which data was used. profile: the number of images of each split."""

    def log_model(self, save: SaveModel) -> None:
        """Store the model that `save` writes."""

    def page(self) -> str | None:
        """The address of the run's page; None if nothing is recorded."""


class NoTracker:
    """Records nothing."""

    run_id: str | None = None

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Do nothing."""

    def describe(self, markdown: str) -> None:
        """Do nothing."""

    def log_text(self, text: str, path: str) -> None:
        """Do nothing."""

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Do nothing."""

    def log_figures(self, draw: "DrawFigures") -> None:
        """Do nothing."""

    def log_artifact(self, file: Path, folder: str) -> None:
        """Do nothing."""

    def log_dataset(self, name: str, digest: str, profile: Mapping[str, int]) -> None:
        """Do nothing."""

    def log_model(self, save: SaveModel) -> None:
        """Do nothing."""

    def page(self) -> None:
        """There is none."""
