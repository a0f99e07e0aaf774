"""The description of a run on its MLflow page, in Markdown."""

from collections.abc import Mapping

from mnistexp.config.config import Config
from mnistexp.config.config_groups import option_description
from mnistexp.config.config_source import ConfigSource
from mnistexp.tables import Column, Table

METRICS = ("test_accuracy", "val_accuracy", "test_loss", "num_parameters", "seconds")
TITLES = {"seconds": "seconds, whole run with loading TensorFlow"}
"""MLflow's own duration begins later, when the run is created."""


def describe_run(
    config: Config,
    source: ConfigSource,
    metrics: Mapping[str, float] | None = None,
    expectation_result: str = "",
) -> str:
    """Return the description of a run: experiment, command, metrics and expectation.

    Args:
        metrics: the final ones; None before the run has ended.
        expectation_result: see `RunResult`.
    """
    paragraphs = [
        option_description(*source.experiment.split("=")) if source.experiment else "",
        f"`{source.command}`",
        _table(metrics or {}),
        f"Expected: {config.expect}; {expectation_result}." if expectation_result else "",
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _table(metrics: Mapping[str, float]) -> str:
    shown = [name for name in METRICS if name in metrics]
    if not shown:
        return ""
    columns = [Column(TITLES.get(name, name.replace("_", " "))) for name in shown]
    return Table(columns, [[_format_metric(metrics[name]) for name in shown]]).to_markdown()


def _format_metric(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and value > 1 else f"{value:.4g}"
