"""Metrics of a training, step by step, and the check that the loss is finite."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mnistexp.errors import TrainingDiverged

if TYPE_CHECKING:
    import pandas

LogMetrics = Callable[[Mapping[str, float], int], None]
"""Receives the values of some metrics and the step after which they were measured."""


class History:
    """The values of each metric, by the step after which they were measured."""

    def __init__(self, log_metrics: LogMetrics | None = None) -> None:
        """Args: log_metrics: also receives every value, to track it for example."""
        self._values: dict[str, dict[int, float]] = {}
        self._log_metrics = log_metrics

    def record(self, metrics: Mapping[str, float], step: int) -> None:
        """Add the values measured after `step` steps."""
        for name, value in metrics.items():
            self._values.setdefault(name, {})[step] = value
        if self._log_metrics is not None:
            self._log_metrics(metrics, step)

    def restore(self, curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> None:
        """Record the values of an earlier part of the training, step by step.

        Args:
            curves: steps and values of each metric.
        """
        by_step: dict[int, dict[str, float]] = {}
        for name, (steps, values) in curves.items():
            for step, value in zip(steps, values, strict=True):
                by_step.setdefault(step, {})[name] = value
        for step in sorted(by_step):
            self.record(by_step[step], step)

    @property
    def curves(self) -> Mapping[str, Mapping[int, float]]:
        """Step → value of every metric."""
        return self._values

    def __getitem__(self, name: str) -> dict[int, float]:
        """Return step → value of a metric; empty if it was not measured."""
        return self._values.get(name, {})

    @property
    def names(self) -> list[str]:
        """The metrics that were measured."""
        return list(self._values)

    def steps(self, name: str) -> list[int]:
        """Return the steps after which a metric was measured."""
        return list(self[name])

    def last(self, name: str) -> float | None:
        """Return the latest value of a metric; None if it was not measured."""
        return next(reversed(self[name].values()), None)

    def to_frame(self) -> "pandas.DataFrame":
        """Return one row per step (the index), one column per metric; NaN where not measured."""
        import pandas

        return pandas.DataFrame(self._values).sort_index().rename_axis("step")


def check_finite(
    loss: float, step: int, name: str = "loss", find_origin: Callable[[], str] | None = None
) -> None:
    """Check that the loss after `step` steps is neither NaN nor infinite.

    Args:
        find_origin: returns where it began, or an empty text; called only if the check fails.

    Raises:
        TrainingDiverged: the loss is NaN or infinite.
    """
    if not math.isfinite(loss):
        origin = find_origin() if find_origin is not None else ""
        raise TrainingDiverged(
            f"the {name} became {loss} at step {step:,}{origin and f': {origin}'}", step
        )
