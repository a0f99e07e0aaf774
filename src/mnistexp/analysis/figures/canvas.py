"""What all figures of matplotlib have: a layout, a title, and axes that are easy to read."""

import textwrap
from typing import TYPE_CHECKING

from mnistexp.analysis.chart_layout import TICK_STEPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

CHARACTERS_PER_INCH = 12
"""Of the font of a title. A longer line is broken, because matplotlib would cut it off."""


def new_figure(size: tuple[float, float]) -> "Figure":
    """Return a figure without axes. size: width and height in inches.

    Its layout keeps titles, labels and legends that are `outside` apart from the axes.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def write_title(figure: "Figure", name: str, message: str = "") -> None:
    """Write what the figure shows, a name and a message, above all axes."""
    width = int(CHARACTERS_PER_INCH * figure.get_figwidth())
    texts = f"{name}\n{message}".strip().split("\n")
    figure.suptitle("\n".join(textwrap.fill(text, width) for text in texts), fontsize="medium")


def set_log_scale(axes: "Axes") -> None:
    """Make the vertical axis logarithmic, with plain numbers: 0.05, not 5 × 10⁻²."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def whole_steps() -> "Locator":
    """Return the ticks of an axis of steps, which have no fractions."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator("auto", integer=True, steps=TICK_STEPS)
