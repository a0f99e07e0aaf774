"""Colors, labels, ranges and scales that the charts of matplotlib and of Plotly share."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Real
from typing import Any

from mnistexp.tracking import Curve

COLORS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"),
    *("#9467bd", "#8c564b", "#e377c2", "#17becf"),
)
"""Distinct colors. More could not be told apart."""
GREY = "#b8b8b8"
"""The color of all further lines."""
WORST_TO_BEST = ((0.0, "#c4c4c4"), (0.5, "#5b9bd5"), (1.0, "#08306b"))
"""A color scale that is readable on white: (position, color)."""
FEW_POINTS = 20
"""Curves of fewer points get markers, because a single point has no line."""
START_FRACTION = 0.1
"""The fraction of the steps that counts as the start of training."""
MIN_LOG_RATIO = 8
"""Of the largest to the smallest value. Below it, a logarithmic axis shows nothing new."""
MIN_TICK_DISTANCE = 0.07
"""As a fraction of the axis, so that the texts of ticks do not touch."""
MAX_TICKS = 7
"""So many different numbers, as of a grid, are each a tick."""
TICK_STEPS = (1, 2, 5, 10)
"""The distances of ticks, times a power of ten."""
LABEL_WIDTH = 44
"""Characters of a line of a label. Longer labels have several lines."""


def line_colors(count: int) -> list[str]:
    """Return the colors of lines, the most important line first: eight distinct ones, then grey."""
    return [*COLORS[:count], *[GREY] * (count - len(COLORS))]


def run_title(name: str, run_id: str | None) -> str:
    """Return the title of a figure that names its run or its sweep."""
    return f"{name} ({run_id[:8]})" if run_id else name


def wrap_label(text: str, line_break: str = "\n") -> str:
    """Break a long label into lines. Nothing is cut off."""
    return line_break.join(textwrap.wrap(text, LABEL_WIDTH))


def readable(name: str) -> str:
    """Return the name of a metric as the title of an axis. Settings keep their names."""
    return name.replace("_", " ")


def has_line(curve: Curve) -> bool:
    """Return whether a metric was measured at several steps. The last step may be logged twice."""
    return len({step for step, _ in curve}) > 1


def metric_range(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """Return the range of the axis that shows where curves lead; None if there are no values.

    Long curves are shown without their start: with its extreme values in view, all others would
    look equal.
    """
    long = max(map(len, curves), default=0) >= FEW_POINTS
    first_step = START_FRACTION * max((c[-1][0] for c in curves if c), default=0) if long else 0
    values = [
        value
        for curve in curves
        for step, value in curve
        if math.isfinite(value) and (step >= first_step or step == curve[-1][0])
    ]
    if not values:
        return None
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.01 * abs(high) or 0.01
    return low - margin, high + margin


def central_values(values: Sequence[float]) -> list[float]:
    """Return the values that are not far from most others: an axis that fits them shows something.

    Far is more than three times the distance of the quartiles beyond a quartile (Tukey, 1977).
    """
    import numpy as np

    finite = [value for value in values if math.isfinite(value)]
    if len(finite) <= len(COLORS):
        return finite
    low, high = np.quantile(finite, (0.25, 0.75))
    reach = 3 * (high - low)
    return [value for value in finite if low - reach <= value <= high + reach]


def is_log_scaled(values: Sequence[float]) -> bool:
    """Return whether values are spread more evenly over a logarithmic than over a linear axis."""
    finite = sorted({value for value in values if math.isfinite(value)})
    if len(finite) < 2 or finite[0] <= 0 or finite[-1] < MIN_LOG_RATIO * finite[0]:
        return False
    return max(_gaps([math.log(value) for value in finite])) <= max(_gaps(finite))


def _gaps(values: Sequence[float]) -> list[float]:
    """Return the distances of sorted values as fractions of their range."""
    whole = values[-1] - values[0]
    return [(after - before) / whole for before, after in pairwise(values)]


@dataclass(frozen=True)
class ValueAxis:
    """An axis of settings or metrics.

    positions: of each value: numbers by value, texts at equal distances. ticks: position → text.
    """

    title: str
    positions: list[float]
    ticks: dict[float, str] = field(default_factory=dict)
    is_log: bool = False
    is_text: bool = False


def value_axis(title: str, values: Sequence[Any], is_log: bool | None = None) -> ValueAxis:
    """Return the axis of values that are all numbers, or else texts.

    Args:
        is_log: whether the axis is logarithmic. Default: whether the values are spread like that.
    """
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in values):
        texts = list(dict.fromkeys("none" if value is None else str(value) for value in values))
        positions = [float(texts.index("none" if v is None else str(v))) for v in values]
        return ValueAxis(title, positions, dict(enumerate(texts)), is_text=True)
    numbers = [float(value) for value in values]
    log = is_log_scaled(numbers) if is_log is None else is_log
    return ValueAxis(title, numbers, _number_ticks(numbers, log), log)


def _number_ticks(numbers: Sequence[float], is_log: bool) -> dict[float, str]:
    different = sorted({number for number in numbers if math.isfinite(number)})
    if not different:
        return {}
    gaps = _gaps([math.log(value) for value in different] if is_log else different)
    fit = len(different) <= MAX_TICKS and min(gaps, default=1) >= MIN_TICK_DISTANCE
    ticks = different
    if len(different) > 1 and not (fit and all(map(_is_round, different))):
        ticks = _round_ticks(different, is_log)
    return {tick: f"{tick:,.6g}" if _is_round(tick) else f"{tick:.4g}" for tick in ticks}


def _is_round(number: float) -> bool:
    """Return whether a number was chosen, as those of a grid, and not sampled or measured."""
    return number.is_integer() or float(f"{number:.4g}") == number


def _round_ticks(numbers: Sequence[float], is_log: bool) -> list[float]:
    """Return round numbers between the first and the last of sorted numbers."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = numbers[0], numbers[-1]
    whole = all(number.is_integer() for number in numbers)
    linear = MaxNLocator(MAX_TICKS - 1, integer=whole, steps=TICK_STEPS)
    subs = (1.0, 2.0, 5.0) if high < 50 * low else (1.0,)
    for locator in (LogLocator(subs=subs), linear) if is_log else (linear,):
        # Without the error of a floating point sum: 0.3, not 0.30000000000000004.
        found = [float(f"{tick:.12g}") for tick in locator.tick_values(low, high)]
        ticks = [tick for tick in found if low <= tick <= high]
        if 1 < len(ticks) <= MAX_TICKS:
            return ticks
    return [low, high]
