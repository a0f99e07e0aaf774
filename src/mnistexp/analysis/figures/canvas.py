"""What all figures of matplotlib have: a layout, a title, and axes that are easy to read."""

import textwrap
from typing import TYPE_CHECKING, Literal

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


def set_log_scale(axes: "Axes", direction: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers: 0.06, not 6 × 10⁻²."""
    from matplotlib.ticker import LogFormatter

    axes.set(**{f"{direction}scale": "log"})
    axis = axes.xaxis if direction == "x" else axes.yaxis
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))


def whole_steps() -> "Locator":
    """Return the ticks of an axis of steps, which have no fractions."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator("auto", integer=True)
