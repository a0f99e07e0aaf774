"""Learning curves beside each other."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mnistexp.analysis.seed_groups import SeedGroup

if TYPE_CHECKING:
    import pandas

CURVES = ("val_accuracy", "test_accuracy", "train_loss", "val_loss", "test_loss")
"""What two runs are compared by while they learn."""


def curves_at(history: "pandas.DataFrame", num_steps: int) -> "pandas.DataFrame":
    """Curves thinned to a few steps, the last one among them.

    Args:
        history: of `load_history`.
        num_steps: at most so many rows.

    Returns:
        A row a step (the index), a column for each metric and run: the mean of what was measured
        last, so that curves of another cadence can be read side by side.
    """
    import numpy as np

    wide = history.pivot_table(index="step", columns=["metric", "run_id"], values="value")
    chosen = np.unique(np.linspace(0, len(wide) - 1, num_steps).round().astype(int))
    return wide.ffill().iloc[chosen]


def fold_curves(curves: "pandas.DataFrame", recipes: Mapping[str, SeedGroup]) -> "pandas.DataFrame":
    """The mean over the seeds of each recipe.

    Args:
        curves: of `curves_at`.
        recipes: by the title of their columns.
    """
    import pandas

    columns = {}
    for metric in [metric for metric in CURVES if metric in curves]:
        of_metric = curves[metric]
        for title, recipe in recipes.items():
            ids = [run_id for run_id in recipe.runs["run_id"] if run_id in of_metric]
            if ids:
                columns[f"{metric} {title}"] = of_metric[ids].T.mean()
    return pandas.DataFrame(columns)
