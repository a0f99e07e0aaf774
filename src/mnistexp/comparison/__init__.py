"""Runs compared: seeds folded, the settings that differ, and what a difference is worth."""

from mnistexp.comparison.curves import CURVES, curves_at, fold_curves
from mnistexp.comparison.differences import changes, differing, short_names
from mnistexp.comparison.noise import NOISE_TEST, within_noise
from mnistexp.comparison.presentation import Presentation
from mnistexp.comparison.recipes import Recipe, recipes_of
from mnistexp.comparison.table import Comparison, compare, deciding_metric, is_cost, ranked

__all__ = [
    "CURVES",
    "NOISE_TEST",
    "Comparison",
    "Presentation",
    "Recipe",
    "changes",
    "compare",
    "curves_at",
    "deciding_metric",
    "differing",
    "fold_curves",
    "is_cost",
    "ranked",
    "recipes_of",
    "short_names",
    "within_noise",
]
