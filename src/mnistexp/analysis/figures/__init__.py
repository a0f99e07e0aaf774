"""Figures of runs and of data sets, drawn by matplotlib without a display."""

from mnistexp.analysis.figures.comparison import draw_curves, draw_metric_by_parameter
from mnistexp.analysis.figures.data import draw_examples
from mnistexp.analysis.figures.run import draw_run

__all__ = ["draw_curves", "draw_examples", "draw_metric_by_parameter", "draw_run"]
