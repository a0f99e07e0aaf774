"""The six panels on a figure: one implementation for windows, pages, notebooks and movies."""

from typing import TYPE_CHECKING

import numpy as np

from mnistexp.dashboard.curve_panels import GREY, Bands, Curves, LearningRate
from mnistexp.dashboard.digit_panels import BATCH_GRID, CELL, TEST_GRID, Mosaic, errors_first
from mnistexp.dashboard.layout import HEADER_INCHES, place, strip
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Moment
from mnistexp.dashboard.view import HELP, PANELS, Box, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {"activations": "Activations, maximum over the batch"}
NUM_TEST_SHOWN = TEST_GRID[0] * TEST_GRID[1]
SMALLEST_BOX = 1e-3
"""Share of what is seen; a smaller box is a slip of the mouse."""


class Panels:
    """A film on a figure. What is drawn depends on a moment and on the viewer's view alone."""

    def __init__(self, figure: "Figure", film: RecordedRun, view: View | None = None) -> None:
        self.figure = figure
        self.view = view or View()
        self._film = film
        self._shown_test = -1
        self._axes: dict[str, Axes] = {name: figure.add_subplot(label=name) for name in PANELS}
        self._curves = {
            "accuracy": Curves(self._axes["accuracy"], "accuracies", 1.0, "lower right"),
            "loss": Curves(self._axes["loss"], "losses", 100.0, "upper right"),
        }
        self._bands = {
            name: Bands(self._axes[name], number)
            for number, name in enumerate(("first_spread", "second_spread"))
        }
        self.batch = Mosaic(self._axes["batch"], BATCH_GRID)
        self.test = Mosaic(self._axes["test"], TEST_GRID)
        self._rate = LearningRate(figure)
        self._name = figure.text(0, 0, film.recording.header.name, weight="bold", va="center")
        self._state = figure.text(0, 0, "", color=GREY, va="center")
        self._rate_text = figure.text(0, 0, "", color=GREY, va="center", ha="right")
        self._notice = figure.text(0, 0, "", color=GREY, va="center", fontsize="small")
        self._help = figure.text(
            *(0.5, 0.5, HELP),
            family="monospace",
            ha="center",
            va="center",
            multialignment="left",
            zorder=10,
            bbox={"boxstyle": "round,pad=1", "facecolor": "white", "edgecolor": GREY},
        )
        self._set_titles()

    def show(self, index: int, state: str = "") -> None:
        """Put a moment on the figure.

        Args:
            index: of the moment; -1 where there is none yet. state: what the viewer is told.
        """
        self._arrange()
        self._notice.set_text(self.view.notice or state)
        self._help.set_visible(self.view.help)
        if index < 0:
            self._state.set_text("waiting for the first step …")
            return
        moment = self._film.recording.moments[index]
        homes = {**self._show_lines(index), "batch": self.batch.home, "test": self.test.home}
        if "batch" in self.view.panels:
            self._show_batch(moment)
        if "test" in self.view.panels:
            self._show_test(index)
        for name, home in homes.items():
            left, right, bottom, top = self.view.zoom.get(name, home)
            self._axes[name].set(xlim=(left, right), ylim=(bottom, top))
        self._show_header(moment, index)

    def zoom(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Zoom into the box between two points, pixels from the bottom left of the figure."""
        name = self.panel_at(start)
        if name is None:
            return
        axes = self._axes[name]
        corners = axes.transData.inverted().transform([start, end])
        x, y = (sorted(corners[:, number]) for number in (0, 1))
        seen = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
        if x[1] - x[0] < SMALLEST_BOX * seen[0] or y[1] - y[0] < SMALLEST_BOX * seen[1]:
            return
        downwards = axes.yaxis_inverted()
        box: Box = (x[0], x[1], *((y[1], y[0]) if downwards else (y[0], y[1])))
        self.view.see(name, box)

    def panel_at(self, point: tuple[float, float]) -> str | None:
        """The panel below a point, pixels from the bottom left of the figure."""
        inside = (name for name in self.view.panels if self._axes[name].bbox.contains(*point))
        return next(inside, None)

    def limits(self, name: str) -> Box:
        """What is seen of a panel."""
        return (*self._axes[name].get_xlim(), *self._axes[name].get_ylim())

    def _set_titles(self) -> None:
        titles = {"accuracy": "Accuracy", "loss": "Cross entropy loss (× 100)"}
        titles |= {"batch": "Training digits", "test": "Test digits"}
        for name in PANELS:
            # A title at a given height: finding one costs a tenth of the time of a picture.
            self._axes[name].set_title(titles.get(name, ""), y=1.0)

    def _arrange(self) -> None:
        """Place the panels that are seen; the figure may have another size than before."""
        size = tuple(self.figure.get_size_inches())
        rectangles = place(self.view.panels, size)
        for name, axes in self._axes.items():
            axes.set_visible(name in rectangles)
            if name in rectangles:
                axes.set_position(rectangles[name])
        width, height = size
        header = 1 - HEADER_INCHES / 2 / height
        self._name.set_position((0.15 / width, header))
        self._rate_text.set_position((1 - 1.6 / width, header))
        self._state.set_position((0.5 - 1.2 / width, header))
        self._notice.set_position((0.15 / width, 0.12 / height))
        self._rate.axes.set_position(strip(size))

    def _show_lines(self, index: int) -> dict[str, Box]:
        """Draw what goes over the steps; what is seen of each without a zoom."""
        track = self._film.track
        homes = {name: curves.show(track, index) for name, curves in self._curves.items()}
        for name, bands in self._bands.items():
            homes[name] = bands.show(track, index)
            spread = bands.name(track)
            self._axes[name].title.set_text(TITLES.get(spread, spread.capitalize()))
        return homes

    def _show_batch(self, moment: Moment) -> None:
        snapshot = moment.snapshot
        train = self._film.train
        self.batch.show(
            train.images[snapshot.batch],
            snapshot.on_batch.predictions,
            train.labels[snapshot.batch],
        )

    def _show_test(self, index: int) -> None:
        track = self._film.track
        number = track.tests_until(index) - 1
        if number == self._shown_test:
            return
        self._shown_test = number
        on_test = self._film.recording.moments[track.test[number]].snapshot.on_test
        assert on_test is not None  # `test` lists the moments that have it.
        test = self._film.test
        order = errors_first(on_test.predictions, test.labels, NUM_TEST_SHOWN)
        self.test.show(test.images[order], on_test.predictions[order], test.labels[order])
        self._show_scale(len(test))

    def _show_scale(self, num_images: int) -> None:
        """An accuracy beside each line: that where the errors, which come first, end there."""
        from matplotlib.ticker import MaxNLocator

        lowest = max(0.0, 1 - NUM_TEST_SHOWN / num_images)
        ticks = np.array(MaxNLocator(10, steps=[1, 2, 5, 10]).tick_values(100 * lowest, 100))
        ticks = ticks[(ticks >= 100 * lowest - 1e-9) & (ticks <= 100)]
        height = TEST_GRID[0] * CELL
        places = (1 - ticks / 100) * num_images / NUM_TEST_SHOWN * height
        axes = self._axes["test"]
        axes.yaxis.tick_right()
        axes.set_yticks(places, [f"{tick:.4g} %" for tick in ticks], fontsize="small")

    def _show_header(self, moment: Moment, index: int) -> None:
        snapshot, header = moment.snapshot, self._film.recording.header
        epoch = snapshot.step * header.batch_size / len(self._film.train)
        self._state.set_text(f"step {snapshot.step:,} of {header.num_steps:,}, epoch {epoch:.1f}")
        rate = self._rate.show(self._film.track, index, header.num_steps)
        self._rate_text.set_text(rate)
