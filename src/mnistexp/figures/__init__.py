"""Pictures, drawn by matplotlib without a display."""

from mnistexp.figures.comparison import draw_learning_curves, draw_metric_by_parameter

__all__ = ["draw_learning_curves", "draw_metric_by_parameter"]
