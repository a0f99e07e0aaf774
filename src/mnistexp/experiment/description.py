"""What MLflow's pages say of a run, in Markdown."""

from collections.abc import Mapping

from mnistexp.config.config import Config
from mnistexp.config.config_groups import option_description
from mnistexp.config.config_source import ConfigSource

SHOWN = ("test_accuracy", "val_accuracy", "test_loss", "num_parameters", "seconds")


def describe_run(
    config: Config,
    origin: ConfigSource,
    metrics: Mapping[str, float] | None = None,
    verdict: str = "",
) -> str:
    """What is run, why, by which command, and what came of it.

    Args:
        metrics: the final ones, once it has ended.
        verdict: whether what the experiment expects was reached, if it expects something.
    """
    paragraphs = [
        option_description(*origin.experiment.split("=")) if origin.experiment else "",
        f"`{' '.join(['mnistexp', *origin.overrides])}`",
        _table(metrics or {}),
        f"Expected: {config.expect}; {verdict}." if verdict and config.expect else "",
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _table(metrics: Mapping[str, float]) -> str:
    shown = [name for name in SHOWN if name in metrics]
    if not shown:
        return ""
    lines = [
        [name.replace("_", " ") for name in shown],
        ["---:"] * len(shown),
        [_figure(metrics[name]) for name in shown],
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and value > 1 else f"{value:.4g}"
