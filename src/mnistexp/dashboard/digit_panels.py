"""Digits beside each other: dark on light, and on pink with both labels where they are wrong."""

from typing import TYPE_CHECKING

import numpy as np

from mnistexp.data import arrange_in_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

CELL = 28
"""Pixels of a digit, each way."""
BATCH_GRID = (10, 10)
TEST_GRID = (25, 40)
"""Lines and columns."""
RIGHT = np.array([255, 255, 255], "f4")
WRONG = np.array([255, 200, 206], "f4")
TRUE_COLOUR = "#00703c"
COMPUTED_COLOUR = "#c1121f"
LABEL_HEIGHT = 8.0
"""In pixels of a digit."""


def errors_first(predictions: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` images: those that were misrecognised, then the others.

    Both in the order in which they come, so that a digit does not jump about.
    """
    return np.argsort(predictions == truth, kind="stable")[:count]


def compose_mosaic(images: np.ndarray, is_right: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A picture of at most lines × columns digits, the first top left.

    Args:
        images: uint8, [n, 28, 28, 1], 255 is ink. is_right: bool, [n]. grid: lines, columns.

    Returns:
        uint8, [28 · lines, 28 · columns, 3]. What is left over is white.
    """
    lines, columns = grid
    paper = np.where(is_right[:, None], RIGHT, WRONG)[:, None, None, :]
    digits = ((1 - images.astype("f4") / 255) * paper).astype("u1")
    digits[:, -1] = digits[:, :, -1] = 255  # A white line between digits; no ink is that far out.
    picture, _ = arrange_in_grid(digits, columns, rows=lines)
    return picture


class Mosaic:
    """The picture and its labels, on axes of their own."""

    def __init__(self, axes: "Axes", grid: tuple[int, int]) -> None:
        self.axes = axes
        self._grid = grid
        lines, columns = grid
        self.home = (0.0, float(columns * CELL), float(lines * CELL), 0.0)
        blank = np.full((lines * CELL, columns * CELL, 3), 255, "u1")
        self._image = axes.imshow(blank, extent=self.home, aspect="equal")
        self._true = [_labels(axes, digit, TRUE_COLOUR) for digit in range(10)]
        self._computed = [_labels(axes, digit, COMPUTED_COLOUR) for digit in range(10)]
        axes.set_xticks([])
        axes.set_yticks([])

    def show(self, images: np.ndarray, predictions: np.ndarray, truth: np.ndarray) -> None:
        """Draw these digits, in this order: [n, 28, 28, 1], [n] and [n]."""
        is_right = predictions == truth
        self._image.set_data(compose_mosaic(images, is_right, self._grid))
        wrong = np.flatnonzero(~is_right)
        lines, columns = np.divmod(wrong, self._grid[1])
        left, bottom = columns * CELL + 1.0, (lines + 1) * CELL - 1.0
        _place(self._true, truth[wrong], left, bottom)
        _place(self._computed, predictions[wrong], left + CELL - 2.0 - 0.62 * LABEL_HEIGHT, bottom)

    def labels(self) -> list[tuple[float, float, str, int]]:
        """All labels as they are drawn: x and y of their bottom left corner, colour and digit."""
        return [
            (float(x), float(y), colour, digit)
            for colour, groups in ((TRUE_COLOUR, self._true), (COMPUTED_COLOUR, self._computed))
            for digit, group in enumerate(groups)
            for x, y in np.asarray(group.get_offsets())
        ]


def _labels(axes: "Axes", digit: int, colour: str) -> "PathCollection":
    """All labels with this digit: outlines that grow with a zoom, and are drawn at once."""
    from matplotlib.collections import PathCollection
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D, AffineDeltaTransform

    # Text lies upwards; the lines of a picture count downwards.
    outline = TextPath((0, 0), str(digit), size=10).transformed(Affine2D().scale(1, -1))
    outline = outline.transformed(Affine2D().scale(LABEL_HEIGHT / 10 / 0.73))
    labels = PathCollection(
        [outline],
        offsets=np.empty((0, 2)),
        offset_transform=axes.transData,
        facecolors=colour,
        linewidths=0,
    )
    labels.set_transform(AffineDeltaTransform(axes.transData))  # type: ignore[arg-type]
    axes.add_collection(labels, autolim=False)
    return labels


def _place(
    groups: "list[PathCollection]", digits: np.ndarray, x: np.ndarray, y: np.ndarray
) -> None:
    for digit, group in enumerate(groups):
        chosen = digits == digit
        group.set_offsets(np.column_stack([x[chosen], y[chosen]]))
