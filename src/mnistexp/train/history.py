"""What a training has measured, step by step."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

LogMetrics = Callable[[Mapping[str, float], int], None]
"""Takes the values of some metrics and the step that they belong to."""


class History:
    """The values of each metric, by the step after which it was measured."""

    def __init__(self, log_metrics: LogMetrics | None = None) -> None:
        """Args: log_metrics: is told every value too, a tracker for example."""
        self._values: dict[str, dict[int, float]] = {}
        self._log_metrics = log_metrics

    def record(self, metrics: Mapping[str, float], step: int) -> None:
        """Add the values measured after `step` steps."""
        for name, value in metrics.items():
            self._values.setdefault(name, {})[step] = value
        if self._log_metrics is not None:
            self._log_metrics(metrics, step)

    def __getitem__(self, name: str) -> dict[int, float]:
        """Step to value of a metric; empty where it was never measured."""
        return self._values.get(name, {})

    def steps(self, name: str) -> list[int]:
        """After which steps a metric was measured."""
        return list(self[name])

    def last(self, name: str) -> float | None:
        """The latest value of a metric, None where it was never measured."""
        return next(reversed(self[name].values()), None)

    def to_frame(self) -> "pandas.DataFrame":
        """One row a step (the index), one column a metric; NaN where it was not measured."""
        import pandas

        return pandas.DataFrame(self._values).sort_index().rename_axis("step")
