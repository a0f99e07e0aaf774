"""The figure of the six panels. The page, the notebook, movies and pictures all use it.

Imports matplotlib, so it is imported where it is used.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mnistexp.dashboard.panels import (
    CELL,
    GRAY,
    Box,
    CurvePanel,
    DigitPanel,
    LearningRateLine,
    QuantilePanel,
    order_errors_first,
)
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Frame

Size = tuple[float, float]
"""Width and height of a figure in inches."""
Point = tuple[float, float]
"""A point on a figure, as fractions of its width and height from the bottom left."""
Rectangle = tuple[float, float, float, float]
"""Left, bottom, width and height, as fractions of the figure."""

PANELS = ("accuracy", "loss", "batch", "first_quantiles", "second_quantiles", "test")
"""In order of position: the upper row from the left, then the lower row."""
SIZE: Size = (14.4, 8.1)
DPI = 100
"""With `SIZE`, a picture has 1440 × 810 pixels."""

NARROW_INCHES = 8.0
"""A narrower figure has a second line in its header."""
LINE_INCHES = 0.42
"""Height of a header line."""
FOOTER_INCHES = 0.26
LEFT_INCHES, RIGHT_INCHES, TOP_INCHES, BOTTOM_INCHES = 0.55, 0.25, 0.32, 0.3
"""Margins of a panel, for its title and its axes."""
SCALE_INCHES = 0.62
"""Right margin of the test digits, for their scale."""
LABEL_INCHES = 0.17
"""Minimum distance of the labels of that scale."""

BATCH_GRID = (10, 10)
TEST_GRID = (25, 40)
"""Rows and columns of digits."""
NUM_TEST_SHOWN = TEST_GRID[0] * TEST_GRID[1]
MIN_BOX = 1e-3
"""Minimum side of a zoom box, as a fraction of the visible part. Smaller ones are ignored."""


@dataclass
class View:
    """Which panels are visible, and the visible part of the panels that are zoomed."""

    panels: tuple[str, ...] = PANELS
    zoom: dict[str, Box] = field(default_factory=dict)


class DashboardFigure(Figure):
    """A figure with the six panels of a recorded run."""

    def __init__(self, recorded_run: RecordedRun) -> None:
        super().__init__(figsize=SIZE, dpi=DPI)
        self._recorded_run = recorded_run
        self._view = View()
        self._drawn_test = -1
        self._num_scale_labels = -1
        self.panel_axes: dict[str, Axes] = {name: self.add_subplot(label=name) for name in PANELS}
        axes = self.panel_axes
        self._step_panels: dict[str, CurvePanel | QuantilePanel] = {
            "accuracy": CurvePanel(axes["accuracy"], "accuracies", 1.0, "lower right"),
            "loss": CurvePanel(axes["loss"], "losses", 100.0, "upper right"),
            "first_quantiles": QuantilePanel(axes["first_quantiles"], 0),
            "second_quantiles": QuantilePanel(axes["second_quantiles"], 1),
        }
        self._batch = DigitPanel(axes["batch"], BATCH_GRID)
        self._test = DigitPanel(axes["test"], TEST_GRID)
        self._rate_axes = self.add_axes((0.9, 0.9, 0.1, 0.1))
        self._rate = LearningRateLine(self._rate_axes)
        self._add_texts()

    def draw_frame(self, index: int, view: View | None = None, status: str = "") -> None:
        """Draw a frame.

        Args:
            index: of the frame; -1 if there is none yet. view: default: all panels, no zoom.
            status: the text of the bottom line.
        """
        self._view = view or View()
        self._place_panels()
        self._status_text.set_text(status)
        if index < 0:
            self._step_text.set_text("waiting for the first step …")
            return
        frame = self._recorded_run.recording.frames[index]
        series = self._recorded_run.series
        default_limits = {
            name: panel.draw(series, index) for name, panel in self._step_panels.items()
        }
        default_limits |= {"batch": self._batch.limits, "test": self._test.limits}
        if "batch" in self._view.panels:
            self._draw_batch(frame)
        if "test" in self._view.panels:
            self._draw_test(index)
        # After the digits: the labels of their scale would extend the limits.
        for name, limits in default_limits.items():
            left, right, bottom, top = self._view.zoom.get(name, limits)
            self.panel_axes[name].set(xlim=(left, right), ylim=(bottom, top))
        self._draw_header(frame, index)

    def box_between(self, start: Point, end: Point) -> tuple[str, Box] | None:
        """Return the panel that contains `start`, and the box between two corners on it.

        Returns:
            None if there is no panel at `start`, or if the box is too small.
        """
        start, end = (tuple(np.multiply(point, self.bbox.size)) for point in (start, end))
        for name in self._view.panels:
            axes = self.panel_axes[name]
            if axes.bbox.contains(*start):
                break
        else:
            return None
        corners = axes.transData.inverted().transform([start, end])
        (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
        visible = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
        if right - left < MIN_BOX * visible[0] or top - bottom < MIN_BOX * visible[1]:
            return None
        if axes.yaxis_inverted():
            bottom, top = top, bottom
        return name, (left, right, bottom, top)

    def to_png(self, dpi: float | None = None) -> bytes:
        """Return the figure as a PNG. Args: dpi: default: that of the figure."""
        buffer = io.BytesIO()
        # Level 1: more compression would take as long as the drawing.
        options = {"compress_level": 1}
        self.savefig(buffer, format="png", dpi=dpi or self.dpi, pil_kwargs=options)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        """Show the figure in a notebook, also if pyplot was never imported there."""
        return self.to_png()

    def _add_texts(self) -> None:
        titles = {"accuracy": "Accuracy", "loss": "Cross entropy loss × 100"}
        titles |= {"batch": "Training digits", "test": "Test digits"}
        for name in PANELS:
            # With a fixed position: Matplotlib's search for one takes a tenth of the drawing time.
            self.panel_axes[name].set_title(titles.get(name, ""), y=1.0)
        name = self._recorded_run.recording.header.name
        self._name_text = self.text(0, 0, name, weight="bold", va="center")
        self._step_text = self.text(0, 0, "", color=GRAY, va="center")
        self._rate_text = self.text(0, 0, "", color=GRAY, va="center", ha="right")
        self._status_text = self.text(0, 0, "", color=GRAY, va="center", fontsize="small")

    def _place_panels(self) -> None:
        """Place the visible panels and the texts for the present size of the figure."""
        width, height = self.get_size_inches()
        rectangles = arrange_panels(self._view.panels, (width, height))
        for name, axes in self.panel_axes.items():
            axes.set_visible(name in rectangles)
            if name in rectangles:
                axes.set_position(rectangles[name])
        is_narrow = width < NARROW_INCHES
        line = 1 - LINE_INCHES / 2 / height
        self._name_text.set_position((0.15 / width, line))
        self._rate_axes.set_position(
            _fractions(width - 1.5, height - LINE_INCHES + 0.06, 1.35, 0.26, (width, height))
        )
        self._rate_axes.set_visible(not is_narrow)
        if is_narrow:
            line -= 0.75 * LINE_INCHES / height
        self._step_text.set_position((0.15 / width if is_narrow else 0.5 - 1.2 / width, line))
        self._rate_text.set_position((1 - (0.15 if is_narrow else 1.6) / width, line))
        for text in (self._step_text, self._rate_text):
            text.set_fontsize("small" if is_narrow else "medium")
        for axes in self.panel_axes.values():
            axes.title.set_fontsize("small" if is_narrow else "large")
        self._status_text.set_position((0.15 / width, 0.12 / height))

    def _draw_batch(self, frame: Frame) -> None:
        snapshot, train = frame.snapshot, self._recorded_run.train
        self._batch.draw(
            train.images[snapshot.batch],
            snapshot.on_batch.predictions,
            train.labels[snapshot.batch],
        )

    def _draw_test(self, index: int) -> None:
        series = self._recorded_run.series
        number = series.num_tests(index) - 1
        test = self._recorded_run.test
        self._draw_scale(len(test))
        if number == self._drawn_test:
            return
        self._drawn_test = number
        frames = self._recorded_run.recording.frames
        evaluation = frames[series.test_indices[number]].snapshot.on_test
        assert evaluation is not None  # `test_indices` lists the frames that have it.
        order = order_errors_first(evaluation.predictions, test.labels, NUM_TEST_SHOWN)
        self._test.draw(test.images[order], evaluation.predictions[order], test.labels[order])

    def _draw_scale(self, num_images: int) -> None:
        """Label the rows of test digits: the accuracy if the last wrong digit is in that row."""
        axes = self.panel_axes["test"]
        rows, columns = TEST_GRID
        place = axes.get_position(original=True)
        width, height = self.get_size_inches() * place.size
        num_labels = min(10, int(min(height, width * rows / columns) / LABEL_INCHES))
        if num_labels == self._num_scale_labels:
            return
        self._num_scale_labels = num_labels
        lowest = max(0.0, 1 - NUM_TEST_SHOWN / num_images)
        locator = MaxNLocator(max(1, num_labels), steps=[1, 2, 5, 10])
        ticks = np.array(locator.tick_values(100 * lowest, 100))
        ticks = ticks[(ticks >= 100 * lowest - 1e-9) & (ticks <= 100)]
        positions = (1 - ticks / 100) * num_images / NUM_TEST_SHOWN * rows * CELL
        axes.yaxis.tick_right()
        axes.set_yticks(positions, [f"{tick:.4g} %" for tick in ticks], fontsize="small")

    def _draw_header(self, frame: Frame, index: int) -> None:
        series, header = self._recorded_run.series, self._recorded_run.recording.header
        step = frame.snapshot.step
        epoch = step * header.batch_size / len(self._recorded_run.train)
        self._step_text.set_text(f"step {step:,} of {header.num_steps:,}, epoch {epoch:.1f}")
        self._rate.draw(series, index, header.num_steps)
        self._rate_text.set_text(f"learning rate {frame.snapshot.learning_rate:.3g}")
        for name, panel in self._step_panels.items():
            if isinstance(panel, QuantilePanel):
                values = panel.name(series)
                title = "Activations (batch maximum)" if values == "activations" else ""
                self.panel_axes[name].title.set_text(title or values.capitalize())


def arrange_panels(panels: Sequence[str], size: Size) -> dict[str, Rectangle]:
    """Return a rectangle for each panel.

    Six panels have 3 columns, or 2 if the figure is taller than wide; two have 2 columns or 1.

    Args:
        size: of the figure, width and height in inches.
    """
    is_tall = size[1] > size[0]
    columns = max(1, len(panels) // 3) if is_tall else min(3, len(panels))
    rows = -(-len(panels) // columns)
    header = LINE_INCHES * (1.75 if size[0] < NARROW_INCHES else 1)
    width = size[0] / columns
    height = (size[1] - header - FOOTER_INCHES) / rows
    rectangles = {}
    for number, name in enumerate(panels):
        row, column = divmod(number, columns)
        right = SCALE_INCHES if name == "test" else RIGHT_INCHES
        left = RIGHT_INCHES if name in ("batch", "test") else LEFT_INCHES
        rectangles[name] = _fractions(
            column * width + left,
            FOOTER_INCHES + (rows - 1 - row) * height + BOTTOM_INCHES,
            max(width - left - right, 0.1),
            max(height - TOP_INCHES - BOTTOM_INCHES, 0.1),
            size,
        )
    return rectangles


def _fractions(left: float, bottom: float, width: float, height: float, size: Size) -> Rectangle:
    return (left / size[0], bottom / size[1], width / size[0], height / size[1])
