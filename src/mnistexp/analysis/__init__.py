"""Runs read back from the store as tables, and compared."""

from mnistexp.analysis.comparison import Comparison, compare, is_cost, ranked, selection_metric
from mnistexp.analysis.comparison_format import ComparisonFormatter
from mnistexp.analysis.learning_curves import CURVES, curves_at, fold_curves
from mnistexp.analysis.run_filter import filter_runs
from mnistexp.analysis.run_selection import SWEEP_JOBS, last_sweep, select_runs
from mnistexp.analysis.run_tables import load_history, load_runs, tracking_of
from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed
from mnistexp.analysis.setting_differences import changes, differing, short_names
from mnistexp.analysis.significance import NOISE_TEST, within_noise

__all__ = [
    "CURVES",
    "NOISE_TEST",
    "SWEEP_JOBS",
    "Comparison",
    "ComparisonFormatter",
    "SeedGroup",
    "changes",
    "compare",
    "curves_at",
    "differing",
    "filter_runs",
    "fold_curves",
    "group_by_seed",
    "is_cost",
    "last_sweep",
    "load_history",
    "load_runs",
    "ranked",
    "select_runs",
    "selection_metric",
    "short_names",
    "tracking_of",
    "within_noise",
]
