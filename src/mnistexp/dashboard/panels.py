"""The kinds of panels: curves, quantiles, digits, and the small line of the learning rate.

Imports matplotlib, so it is imported where it is used.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D, AffineDeltaTransform

from mnistexp.dashboard.recorded_run import TimeSeries
from mnistexp.data import arrange_in_grid

Box = tuple[float, float, float, float]
"""Left, right, bottom and top of the visible part of a panel, in data coordinates."""

GRAY = "#777777"
TRAINING_COLOR, TEST_COLOR = "#3a78b5", "#e0562b"
BANDS = ((3, 4), (2, 5), (1, 6), (0, 7))
"""Indices of the lower and upper quantile of each band, the innermost and darkest first."""
PARAMETER_COLORS = ("#8c1c13", "#c8574c", "#e59c94", "#f7d9d5")
VALUE_COLORS = ("#1b5e3a", "#4c9a6f", "#92c9a9", "#d3ebdd")
"""Colors of the bands, from the innermost: red for parameters, green for logits and activations."""

CORRECT_BACKGROUND = np.array([255, 255, 255], "f4")
WRONG_BACKGROUND = np.array([255, 200, 206], "f4")
TRUE_COLOR = "#00703c"
PREDICTED_COLOR = "#c1121f"
LABEL_HEIGHT = 7.0 / 28
"""Relative to the height of an image."""
LABEL_WIDTH = 0.87
"""Of one character and the space beside it, relative to the height of a label."""
LABEL_INSET = 2.5 / 28
"""Distance of a label to the sides of its cell, relative to its width: those of two neighbors must
not read as one."""
MAX_LABEL = 2
"""Characters. Of longer names of classes, the first ones are shown."""
FRAME = 2
"""Width of the frame of a misclassified image with colors, in pixels."""
FEW_POINTS = 10
"""So many test evaluations are marked: between few of them, the line shows no values."""
KEY_INCHES = 6.0
"""A narrower panel has no room to explain the labels of wrong digits."""


class CurvePanel:
    """Training (thin) and test values (thick) over the steps."""

    def __init__(self, axes: Axes, quantity: Literal["accuracies", "losses"], top: float) -> None:
        """Create an empty panel.

        Args:
            top: upper limit of the vertical axis, which starts at 0. It is higher as long as most
                values are.
        """
        self._quantity = quantity
        self._top = top
        (self._training,) = axes.plot([], [], color=TRAINING_COLOR, linewidth=0.9, label="training")
        (self._test,) = axes.plot([], [], color=TEST_COLOR, linewidth=2.4, label="test")
        # Beside the title, where it never covers a curve.
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=2,
            fontsize="small",
            frameon=False,
            borderaxespad=0.1,
            borderpad=0.3,
            handlelength=1.2,
            handletextpad=0.4,
            columnspacing=1.0,
        )
        axes.grid(alpha=0.3)

    def draw(self, series: TimeSeries, index: int) -> Box:
        """Draw all frames up to `index`. Return the default limits of the panel."""
        count, num_tests = index + 1, series.num_tests(index)
        values = getattr(series, self._quantity)[:count]
        test_values = getattr(series, f"test_{self._quantity}")[:num_tests]
        self._training.set_data(series.steps[:count], values)
        test_steps = series.steps[series.test_indices[:num_tests]]
        self._test.set_data(test_steps, test_values)
        self._training.set_marker("." if count == 1 else "")  # A single point has no line.
        self._test.set_marker("o" if num_tests <= FEW_POINTS else "")
        return (0.0, _last_step(series, index), 0.0, self._upper_limit(values, test_values))

    def _upper_limit(self, *curves: np.ndarray) -> float:
        """Return the usual limit, or that of all values if most of a curve is above it."""
        finite = [curve[np.isfinite(curve)] for curve in curves]
        medians = [np.median(curve) for curve in finite if len(curve)]
        if max(medians, default=0.0) <= self._top:
            return self._top
        return 1.05 * float(np.concatenate(finite).max())


class QuantilePanel:
    """Four nested bands between the quantiles of many values, over the steps."""

    def __init__(self, axes: Axes, position: int) -> None:
        """Args: position: 0 for the first quantiles of a recording, 1 for the second."""
        self._position = position
        empty: list[float] = []
        self._bands = [
            axes.fill_between(empty, empty, empty, linewidth=0, zorder=2 - number)
            for number in range(len(BANDS))
        ]
        axes.grid(alpha=0.3)

    def draw(self, series: TimeSeries, index: int) -> Box:
        """Draw all frames up to `index`. Return the default limits of the panel."""
        steps = series.steps[: index + 1]
        name = list(series.quantiles)[self._position]
        quantiles = series.quantiles[name][: index + 1]
        colors = PARAMETER_COLORS if name in ("weights", "biases") else VALUE_COLORS
        for band, (low, high), color in zip(self._bands, BANDS, colors, strict=True):
            band.set_data(steps, quantiles[:, low], quantiles[:, high])
            band.set_facecolor(color)
        return (0.0, _last_step(series, index), *_limits_with_margin(quantiles))


class LearningRateLine:
    """The learning rate over the whole training, without axes."""

    def __init__(self, axes: Axes) -> None:
        axes.set_axis_off()
        self._axes = axes
        (self._line,) = axes.plot([], [], color=GRAY, linewidth=1.2)
        (self._now,) = axes.plot([], [], "o", color=GRAY, markersize=3)

    def draw(self, series: TimeSeries, index: int, num_steps: int) -> None:
        """Draw all frames up to `index`."""
        steps, rates = series.steps[: index + 1], series.learning_rates[: index + 1]
        self._line.set_data(steps, rates)
        self._now.set_data(steps[-1:], rates[-1:])
        self._axes.set_xlim(0, max(num_steps, 1))
        self._axes.set_ylim(-0.1 * rates.max(), 1.15 * max(rates.max(), 1e-12))


class ImagePanel:
    """A grid of images. Wrong ones are on pink, with the true and the predicted label."""

    def __init__(
        self, axes: Axes, num_shown: int, cell: tuple[int, int], class_names: Sequence[str]
    ) -> None:
        """Create an empty panel.

        Args:
            num_shown: maximum number of images. cell: height and width of an image, in pixels.
        """
        self._num_shown = num_shown
        self.cell = cell
        labels = [name[:MAX_LABEL] for name in class_names]
        self._label_height = LABEL_HEIGHT * cell[0]
        self._label_widths = np.array([LABEL_WIDTH * len(label) for label in labels])
        self._label_widths *= self._label_height
        self.grid = (1, num_shown)
        self.limits: Box = (0.0, 1.0, 1.0, 0.0)
        self._image = axes.imshow(np.full((1, 1, 3), 255, "u1"), aspect="equal")
        height = self._label_height
        self._true = [_add_labels(axes, label, height, TRUE_COLOR) for label in labels]
        self._predicted = [_add_labels(axes, label, height, PREDICTED_COLOR) for label in labels]
        background = {"facecolor": WRONG_BACKGROUND / 255, "edgecolor": "none", "pad": 2.0}
        self._key = axes.annotate(
            *("", (1.0, 1.0), (-2.0, 5.0)),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            fontsize="small",
            bbox=background,
        )
        # The panel is as wide as its images; its title stays close to them.
        axes.set_anchor("NW")
        axes.set_xticks([])
        axes.set_yticks([])

    def arrange(self, width: float, height: float) -> None:
        """Choose the rows and columns that fill an area best. Args: its size, in inches."""
        cell_height, cell_width = self.cell
        self.grid = fill_area(self._num_shown, width / cell_width, height / cell_height)
        rows, columns = self.grid
        self.limits = (0.0, float(columns * cell_width), float(rows * cell_height), 0.0)
        self._image.set_extent(self.limits)
        self._explains_labels = width >= KEY_INCHES

    def draw(
        self,
        images: np.ndarray,
        predictions: np.ndarray,
        labels: np.ndarray,
        num_wrong: int,
        num_images: int,
    ) -> None:
        """Draw images in the given order.

        Args:
            images: uint8, [n, height, width, channels].
            predictions: [n]. labels: the true ones, [n].
            num_wrong, num_images: for the key; also of images that are not drawn.
        """
        is_correct = predictions == labels
        self._image.set_data(compose_grid(images, is_correct, self.grid))
        wrong = np.flatnonzero(~is_correct)
        rows, columns = np.divmod(wrong, self.grid[1])
        height, width = self.cell
        inset = LABEL_INSET * width
        left, bottom = columns * width + inset, (rows + 1) * height - 1.0
        _move_labels(self._true, labels[wrong], left, bottom)
        right = left + width - 2 * inset - self._label_widths[predictions[wrong]]
        _move_labels(self._predicted, predictions[wrong], right, bottom)
        key = f"{num_wrong:,} of {num_images:,} misclassified"
        if self._explains_labels:
            shown = f" ({len(wrong):,} shown)" if len(wrong) < num_wrong else ""
            key += f"{shown}: true label left, predicted label right"
        self._key.set_text(key)


def fill_area(count: int, width: float, height: float) -> tuple[int, int]:
    """Return the rows and columns of a grid with the largest cells that fit in an area.

    Args:
        width, height: of the area, in units of those of a cell.
    """

    def cell_size(columns: int) -> float:
        return min(width / columns, height / -(-count // columns))

    columns = max(range(1, count + 1), key=cell_size)
    return -(-count // columns), columns


def order_errors_first(predictions: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of `count` images: the misclassified ones first, then the others.

    Both keep the order of the images, so that an image moves little from frame to frame.
    """
    return np.argsort(predictions == labels, kind="stable")[:count]


def compose_grid(images: np.ndarray, is_correct: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Arrange images in a grid, row by row. Gray ones are dark on white or, if wrong, on pink.

    Wrong images with colors have a pink frame.

    Args:
        images: uint8, [n, height, width, channels]; of gray ones, 255 is ink.
        is_correct: bool, [n]. grid: rows and columns.

    Returns:
        uint8, [height · rows, width · columns, 3]. Unused cells are white.
    """
    rows, columns = grid
    if images.shape[3] == 3:
        return arrange_in_grid(_framed(images, ~is_correct), columns, rows)[0]
    background = np.where(is_correct[:, None], CORRECT_BACKGROUND, WRONG_BACKGROUND)[
        :, None, None, :
    ]
    digits = ((1 - images.astype("f4") / 255) * background).astype("u1")
    digits[:, -1] = digits[:, :, -1] = 255  # A white line between digits.
    return arrange_in_grid(digits, columns, rows)[0]


def _framed(images: np.ndarray, is_wrong: np.ndarray) -> np.ndarray:
    """Return images with colors, the wrong ones with a pink frame."""
    framed = images.copy()
    frame = np.ones(images.shape[1:3], bool)
    frame[FRAME:-FRAME, FRAME:-FRAME] = False
    framed[is_wrong[:, None, None] & frame] = WRONG_BACKGROUND.astype("u1")
    return framed


def _last_step(series: TimeSeries, index: int) -> float:
    """Return the right limit of the steps: the curves fill the panel at any time, as in the lab."""
    return max(float(series.steps[index]), 1.0)


def _limits_with_margin(quantiles: np.ndarray) -> tuple[float, float]:
    finite = quantiles[np.isfinite(quantiles)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    margin = 0.05 * (high - low) or 0.1
    return low - margin, high + margin


def _add_labels(axes: Axes, text: str, height: float, color: str) -> PathCollection:
    """Add the labels with this text, in one collection: it is drawn faster than single texts."""
    # Outlines have their origin at the bottom, the rows of the image at the top.
    outline = TextPath((0, 0), text, size=10).transformed(Affine2D().scale(1, -1))
    outline = outline.transformed(Affine2D().scale(height / 10 / 0.73))
    labels = PathCollection(
        [outline],
        offsets=np.empty((0, 2)),
        offset_transform=axes.transData,
        facecolors=color,
        linewidths=0,
    )
    # In data units: a label grows with the zoom.
    labels.set_transform(AffineDeltaTransform(axes.transData))  # type: ignore[arg-type]
    axes.add_collection(labels, autolim=False)
    return labels


def _move_labels(
    collections: list[PathCollection], classes: np.ndarray, x: np.ndarray, y: np.ndarray
) -> None:
    for number, collection in enumerate(collections):
        chosen = classes == number
        collection.set_offsets(np.column_stack([x[chosen], y[chosen]]))
