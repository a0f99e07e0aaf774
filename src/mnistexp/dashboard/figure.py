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
    GRAY,
    Box,
    CurvePanel,
    ImagePanel,
    LearningRateLine,
    QuantilePanel,
    order_errors_first,
)
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Frame
from mnistexp.data import DIGITS

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

NARROW_INCHES = 9.0
"""A narrower figure has a second line in its header."""
COLUMN_INCHES = 3.9
"""Minimum width of a column of panels. A narrower figure has fewer columns."""
ROW_INCHES = 2.4
"""Minimum height of a row of panels."""
DIGITS_WEIGHT = 1.45
"""Width of a column of digits, relative to a column of curves."""
STACKED_WEIGHTS = {"batch": 1.5, "test": 2.0}
"""Height of the digits in a single column, relative to a curve."""
LINE_INCHES = 0.42
"""Height of a header line."""
STATUS_INCHES = 0.26
"""Height of the bottom line."""
LEFT_INCHES, RIGHT_INCHES, TOP_INCHES, BOTTOM_INCHES = 0.55, 0.25, 0.32, 0.3
"""Margins of a panel, for its title and its axes."""
DIGITS_BOTTOM_INCHES = 0.12
"""Bottom margin of the digits, which have no axis there."""
SCALE_INCHES = 0.62
"""Right margin of the test digits, for their scale."""
LABEL_INCHES = 0.17
"""Minimum distance of the labels of that scale."""
TITLE_POINTS_PER_INCH, TITLE_POINTS = 3.1, (8.0, 12.0)
"""Size of the titles per width of the narrowest panel, and its limits."""
NAME_CHARACTER_INCHES = 0.085
"""Width of a bold character, on average."""
QUANTILE_TITLES = {
    "weights": "Weights",
    "biases": "Biases",
    "logits": "Logits",
    "activations": "Activations",
    "maxima": "Activation maxima",
    "convolutional_maxima": "Convolutional maxima",
    "dense_maxima": "Dense maxima",
}
"""By the name of the quantiles."""

NUM_BATCH_SHOWN, NUM_TEST_SHOWN = 100, 1_000
DIGIT_PANELS = ("batch", "test")
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
        self._drawn_test: tuple[object, ...] = ()
        self.panel_axes: dict[str, Axes] = {name: self.add_subplot(label=name) for name in PANELS}
        axes = self.panel_axes
        self._step_panels: dict[str, CurvePanel | QuantilePanel] = {
            "accuracy": CurvePanel(axes["accuracy"], "accuracies", 1.0),
            "loss": CurvePanel(axes["loss"], "losses", 100.0),
            "first_quantiles": QuantilePanel(axes["first_quantiles"], 0),
            "second_quantiles": QuantilePanel(axes["second_quantiles"], 1),
        }
        height, width = recorded_run.test.images.shape[1:3]
        cell, names = (height, width), recorded_run.class_names
        self._noun = "digits" if names == DIGITS else "images"
        num_batch = min(NUM_BATCH_SHOWN, recorded_run.recording.header.batch_size)
        num_test = min(NUM_TEST_SHOWN, max(1, len(recorded_run.test)))
        self._batch = ImagePanel(axes["batch"], num_batch, cell, names)
        self._test = ImagePanel(axes["test"], num_test, cell, names)
        self._image_panels = {"batch": self._batch, "test": self._test}
        self._rate_axes = self.add_axes((0.9, 0.9, 0.1, 0.1))
        self._rate = LearningRateLine(self._rate_axes)
        self._add_texts()

    def draw_frame(self, index: int, view: View | None = None, status: str = "") -> None:
        """Draw a frame.

        Args:
            index: of the frame; -1 if there is none yet. view: default: all panels, no zoom.
            status: the text of the bottom line. Default: there is no bottom line.
        """
        self._view = view or View()
        self._place_panels(STATUS_INCHES if status else 0.0)
        self._status_text.set_text(status)
        if index < 0:
            self._step_text.set_text("waiting for the first step …")
            return
        frame = self._recorded_run.recording.frames[index]
        series = self._recorded_run.series
        default_limits = {
            name: panel.draw(series, index) for name, panel in self._step_panels.items()
        }
        if "batch" in self._view.panels:
            self._draw_batch(frame)
        if "test" in self._view.panels:
            self._draw_test(index)
        default_limits |= {name: panel.limits for name, panel in self._image_panels.items()}
        # After the digits: the labels of their scale would extend the limits.
        for name, limits in default_limits.items():
            left, right, bottom, top = self._view.zoom.get(name, limits)
            self.panel_axes[name].set(xlim=(left, right), ylim=(bottom, top))
        self._draw_titles(index)
        self._draw_header(frame, index)

    def titles(self, index: int) -> dict[str, str]:
        """Return the titles of the panels for a frame, in the order of `PANELS`."""
        series = self._recorded_run.series
        num_tests = series.num_tests(index)
        age = self._note_age_of_test(index)
        tested = [
            f"test {100 * value:.2f} %{age}" for value in series.test_accuracies[:num_tests][-1:]
        ]
        first, second = (QUANTILE_TITLES.get(name, name) for name in list(series.quantiles)[:2])
        return {
            "accuracy": ": ".join(["Accuracy", *tested]),
            "loss": "Cross-entropy × 100",
            "batch": f"Training {self._noun}",
            "first_quantiles": first,
            "second_quantiles": second,
            "test": f"Test{age}" if age else f"Test {self._noun}",
        }

    def _note_age_of_test(self, index: int) -> str:
        """Return ` (step 500)`, the step of the latest evaluation, if it is before the frame."""
        series = self._recorded_run.series
        tested = series.test_indices[: series.num_tests(index)]
        if not len(tested) or tested[-1] == index:
            return ""
        return f" (step {series.steps[tested[-1]]:,.0f})"

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
        self._name_text = self.text(0, 0, "", weight="bold", va="center")
        self._step_text = self.text(0, 0, "", color=GRAY, va="center")
        self._rate_text = self.text(0, 0, "", color=GRAY, va="center", ha="right")
        self._status_text = self.text(0, 0, "", color=GRAY, va="center", fontsize="small")

    def _place_panels(self, footer: float) -> None:
        """Place the visible panels and the texts for the present size of the figure.

        Args:
            footer: height below the panels, in inches.
        """
        width, height = self.get_size_inches()
        rectangles = arrange_panels(self._view.panels, (width, height), footer)
        for name, axes in self.panel_axes.items():
            axes.set_visible(name in rectangles)
            if name in rectangles:
                axes.set_position(rectangles[name])
        legend = self.panel_axes["accuracy"].get_legend()
        assert legend is not None
        # Beside the losses, which have the same legend, the title needs its place.
        legend.set_visible("loss" not in rectangles)
        for name, panel in self._image_panels.items():
            # A zoomed panel keeps its arrangement, so that it shows the same digits.
            if name in rectangles and name not in self._view.zoom:
                panel.arrange(rectangles[name][2] * width, rectangles[name][3] * height)
        is_narrow = width < NARROW_INCHES
        line = 1 - LINE_INCHES / 2 / height
        self._name_text.set_position((0.15 / width, line))
        self._rate_axes.set_position(
            _fractions(width - 1.5, height - LINE_INCHES + 0.06, 1.35, 0.26, (width, height))
        )
        self._rate_axes.set_visible(not is_narrow)
        name_width = (width if is_narrow else width / 2 - 1.2) - 0.3
        name = self._recorded_run.recording.header.name
        self._name_text.set_text(_shorten(name, int(name_width / NAME_CHARACTER_INCHES)))
        if is_narrow:
            line -= 0.75 * LINE_INCHES / height
        self._step_text.set_position((0.15 / width if is_narrow else 0.5 - 1.2 / width, line))
        self._rate_text.set_position((1 - (0.15 if is_narrow else 1.6) / width, line))
        for text in (self._step_text, self._rate_text):
            text.set_fontsize("small" if is_narrow else "medium")
        self._status_text.set_position((0.15 / width, 0.12 / height))

    def _draw_batch(self, frame: Frame) -> None:
        snapshot, train = frame.snapshot, self._recorded_run.train
        labels = train.labels[snapshot.batch]
        predictions = snapshot.on_batch.predictions
        order = order_errors_first(predictions, labels, NUM_BATCH_SHOWN)
        num_wrong = int((predictions != labels).sum())
        images = self._recorded_run.batch_images(frame)[order]
        self._batch.draw(images, predictions[order], labels[order], num_wrong, len(labels))

    def _draw_test(self, index: int) -> None:
        series = self._recorded_run.series
        number = series.num_tests(index) - 1
        state = (number, self._test.grid)
        if number < 0 or state == self._drawn_test:
            return
        self._drawn_test = state
        test = self._recorded_run.test
        frames = self._recorded_run.recording.frames
        evaluation = frames[series.test_indices[number]].snapshot.on_test
        assert evaluation is not None  # `test_indices` lists the frames that have it.
        predictions = evaluation.predictions
        order = order_errors_first(predictions, test.labels, NUM_TEST_SHOWN)
        num_wrong = int((predictions != test.labels).sum())
        self._test.draw(
            test.images[order], predictions[order], test.labels[order], num_wrong, len(test)
        )
        self._draw_scale(len(test))

    def _draw_scale(self, num_images: int) -> None:
        """Label the rows of test digits: the accuracy if the last wrong digit is in that row."""
        axes = self.panel_axes["test"]
        rows, columns = self._test.grid
        place = axes.get_position(original=True)
        width, height = self.get_size_inches() * place.size
        num_labels = min(10, int(min(height, width * rows / columns) / LABEL_INCHES))
        lowest = max(0.0, 1 - NUM_TEST_SHOWN / num_images)
        locator = MaxNLocator(max(1, num_labels), steps=[1, 2, 5, 10])
        ticks = np.array(locator.tick_values(100 * lowest, 100))
        ticks = ticks[(ticks >= 100 * lowest - 1e-9) & (ticks <= 100)]
        positions = (1 - ticks / 100) * num_images / columns * self._test.cell[0]
        axes.yaxis.tick_right()
        axes.set_yticks(positions, [f"{tick:.4g} %" for tick in ticks], fontsize="small")

    def _draw_titles(self, index: int) -> None:
        places = [self.panel_axes[name].get_position(original=True) for name in self._view.panels]
        narrowest = min(place.width for place in places) * self.get_size_inches()[0]
        size = float(np.clip(TITLE_POINTS_PER_INCH * narrowest, *TITLE_POINTS))
        for name, title in self.titles(index).items():
            # With a fixed position: Matplotlib's search for one takes a tenth of the drawing time.
            self.panel_axes[name].set_title(title, loc="left", y=1.0, fontsize=size)

    def _draw_header(self, frame: Frame, index: int) -> None:
        series, header = self._recorded_run.series, self._recorded_run.recording.header
        step = frame.snapshot.step
        epoch = step * header.batch_size / len(self._recorded_run.train)
        is_narrow = self.get_size_inches()[0] < NARROW_INCHES
        in_epochs = "" if is_narrow else f", epoch {epoch:.1f}"
        self._step_text.set_text(f"step {step:,} of {header.num_steps:,}{in_epochs}")
        self._rate.draw(series, index, header.num_steps)
        self._rate_text.set_text(f"learning rate {frame.snapshot.learning_rate:.3g}")


def arrange_panels(panels: Sequence[str], size: Size, footer: float = 0.0) -> dict[str, Rectangle]:
    """Return a rectangle for each panel.

    Six panels have 3 columns, or 2 if the figure is taller than wide; two have 2 columns or 1. A
    narrow figure has fewer. A column of digits is wider than one of curves.

    Args:
        size: of the figure, width and height in inches. footer: height below the panels, in inches.
    """
    rows = _rows_of(panels, size)
    column_weights = [
        DIGITS_WEIGHT if all(row[column] in DIGIT_PANELS for row in rows) else 1.0
        for column in range(len(rows[0]))
    ]
    widths = size[0] * np.array(column_weights) / sum(column_weights)
    row_weights = np.array(_row_weights(rows))
    heights = (size[1] - _header_height(size[0]) - footer) * row_weights / row_weights.sum()
    rectangles = {}
    for row, names in enumerate(rows):
        bottom = footer + heights[row + 1 :].sum()
        for column, name in enumerate(names):
            is_digits = name in DIGIT_PANELS
            left = RIGHT_INCHES if is_digits else LEFT_INCHES
            right = SCALE_INCHES if name == "test" else RIGHT_INCHES
            below = DIGITS_BOTTOM_INCHES if is_digits else BOTTOM_INCHES
            rectangles[name] = _fractions(
                widths[:column].sum() + left,
                bottom + below,
                max(widths[column] - left - right, 0.1),
                max(heights[row] - TOP_INCHES - below, 0.1),
                size,
            )
    return rectangles


def minimum_height(panels: Sequence[str], width: float) -> float:
    """Return the height in inches below which the panels of a figure are too small to be read."""
    rows = _rows_of(panels, (width, 0.0))
    return _header_height(width) + ROW_INCHES * sum(_row_weights(rows))


def _rows_of(panels: Sequence[str], size: Size) -> list[Sequence[str]]:
    most = max(1, len(panels) // 3) if size[1] > size[0] else 3
    columns = min(most, len(panels), max(1, int(size[0] / COLUMN_INCHES)))
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


def _row_weights(rows: list[Sequence[str]]) -> list[float]:
    """Return the height of each row, relative to a row of curves."""
    return [STACKED_WEIGHTS.get(row[0], 1.0) if len(row) == 1 else 1.0 for row in rows]


def _header_height(width: float) -> float:
    return LINE_INCHES * (1.75 if width < NARROW_INCHES else 1)


def _shorten(text: str, num_characters: int) -> str:
    return text if len(text) <= num_characters else f"{text[: num_characters - 1]}…"


def _fractions(left: float, bottom: float, width: float, height: float, size: Size) -> Rectangle:
    return (left / size[0], bottom / size[1], width / size[0], height / size[1])
