"""Figures of runs and of data sets, drawn by matplotlib without a display."""

from mnistexp.analysis.figures.comparison import draw_curves, draw_metric_by_parameter
from mnistexp.analysis.figures.data import choose_examples, draw_examples
from mnistexp.analysis.figures.run import draw_run
from mnistexp.analysis.figures.stored import store_figures

__all__ = [
    "choose_examples",
    "draw_curves",
    "draw_examples",
    "draw_metric_by_parameter",
    "draw_run",
    "store_figures",
]
