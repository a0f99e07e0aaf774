"""The panels of curves and of bands, and the learning rate."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from mnistexp.dashboard.time_series import TimeSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING, TEST = "#3a78b5", "#e0562b"
Corner = Literal["lower right", "upper right"]
BANDS = ((3, 4), (2, 5), (1, 6), (0, 7))
"""The boundaries of each band, darkest and innermost first."""
SHADES = ("#1d4e89", "#4f86c0", "#8fb8e0", "#cfe2f5")
GREY = "#777777"


class Curves:
    """Training, thin, and test, thick, over the steps."""

    def __init__(self, axes: "Axes", measure: str, top: float, legend: Corner) -> None:
        """Args: measure: `accuracies` or `losses`. top: of the axis, from 0."""
        self.axes = axes
        self._measure = measure
        self._top = top
        (self._training,) = axes.plot([], [], color=TRAINING, linewidth=0.9, label="training")
        (self._test,) = axes.plot([], [], color=TEST, linewidth=2.4, label="test")
        axes.legend(loc=legend, fontsize="small")
        axes.grid(alpha=0.3)

    def show(self, track: TimeSeries, index: int) -> tuple[float, float, float, float]:
        """Draw up to a moment; what is seen of it without a zoom."""
        count, tests = index + 1, track.tests_until(index)
        self._training.set_data(track.steps[:count], getattr(track, self._measure)[:count])
        test = getattr(track, f"test_{self._measure}")
        self._test.set_data(track.steps[track.test[:tests]], test[:tests])
        return (0.0, _right(track, index), 0.0, self._top)


class Bands:
    """Four nested bands around the middle of many values, over the steps."""

    def __init__(self, axes: "Axes", place: int) -> None:
        """Args: place: 0 for the first quantiles of a recording, 1 for the second."""
        self.axes = axes
        self._place = place
        nothing: list[float] = []
        self._bands = [
            axes.fill_between(nothing, nothing, nothing, facecolor=shade, linewidth=0, zorder=2 - n)
            for n, shade in enumerate(SHADES)
        ]
        axes.grid(alpha=0.3)

    def name(self, track: TimeSeries) -> str:
        """Of what is shown: `weights`, for example."""
        return list(track.quantiles)[self._place]

    def show(self, track: TimeSeries, index: int) -> tuple[float, float, float, float]:
        """Draw up to a moment; what is seen of it without a zoom."""
        quantiles = track.quantiles[self.name(track)][: index + 1]
        for band, (low, high) in zip(self._bands, BANDS, strict=True):
            band.set_data(track.steps[: index + 1], quantiles[:, low], quantiles[:, high])
        return (0.0, _right(track, index), *_with_margin(quantiles))


class LearningRate:
    """A small line in a corner, with the rate of the next step beside it."""

    def __init__(self, figure: "Figure") -> None:
        self.axes = figure.add_axes((0.9, 0.9, 0.1, 0.1))
        self.axes.set_axis_off()
        (self._line,) = self.axes.plot([], [], color=GREY, linewidth=1.2)
        (self._now,) = self.axes.plot([], [], "o", color=GREY, markersize=3)

    def show(self, track: TimeSeries, index: int, num_steps: int) -> str:
        """Draw it up to a moment; the rate in words."""
        steps, rates = track.steps[: index + 1], track.learning_rates[: index + 1]
        self._line.set_data(steps, rates)
        self._now.set_data(steps[-1:], rates[-1:])
        self.axes.set_xlim(0, max(num_steps, 1))
        self.axes.set_ylim(-0.1 * rates.max(), 1.15 * max(rates.max(), 1e-12))
        return f"learning rate {rates[-1]:.3g}"


def _right(track: TimeSeries, index: int) -> float:
    """The curves fill the panel from the start on, as in the lab."""
    return max(float(track.steps[index]), 1.0)


def _with_margin(quantiles: np.ndarray) -> tuple[float, float]:
    finite = quantiles[np.isfinite(quantiles)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    margin = 0.05 * (high - low) or 0.1
    return low - margin, high + margin
