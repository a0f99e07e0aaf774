"""Print the summary at the end of a run."""

from collections.abc import Mapping

from rich.console import Console

from mnistexp.config.config import Config
from mnistexp.config.config_source import ConfigSource
from mnistexp.experiment import RunResult
from mnistexp.model import NetworkConfig
from mnistexp.tables import Column, Table
from mnistexp.tracking import MlflowTracking, browse_hint


def print_summary(result: RunResult, source: ConfigSource, console: Console | None = None) -> None:
    """Print the metrics of a run as a table, and how to open the run."""
    console = console or Console()
    _summary_table(result, source).print(console)
    if result.note:
        console.print(f"note: {result.note}", soft_wrap=True)
    hint = browse_hint(result.config.tracking, result.url)
    if hint:
        console.print(hint, soft_wrap=True)
    if result.recording is not None:
        run = result.run_id or result.recording
        console.print(f"Watch it again: mnistexp watch {run}", soft_wrap=True)


def _summary_table(result: RunResult, source: ConfigSource) -> Table:
    metrics = result.metrics
    accuracies = {
        "train accuracy": result.history.last("train_accuracy"),
        "validation accuracy": metrics.get("val_accuracy"),
        "test accuracy": metrics.get("test_accuracy"),
        "test accuracy, maximum": metrics.get("test_accuracy_max"),
    }
    rows = {name: f"{value:.4f}" for name, value in accuracies.items() if value is not None}
    if result.expectation_result:
        rows["expected"] = f"{result.config.expect}: {result.expectation_result}"
        if source.altered_settings:
            rows["expected"] += f", because of {', '.join(source.altered_settings)}"
    stop = _format_early_stop(result)
    if stop:
        rows["stopped early"] = stop
    target = result.config.train.target
    if target is not None:
        rows["target"] = f"{target}: {_format_target_result(metrics)}"
    if isinstance(result.config.model, NetworkConfig):
        rows["optimizer"] = _format_optimizer(result.config, source)
    rows["seconds"] = f"{metrics['seconds']:.1f} ({metrics['train_seconds']:.1f} training)"
    speed = metrics["mean_images_per_second"]
    rows["images per second"] = f"{speed:,.0f} (without compiling and evaluating)"
    rows["parameters"] = f"{result.learner.num_parameters:,}"
    tags = result.learner.tags()
    compiled = ", XLA" if tags.get("xla") == "on" else ""
    rows["device"] = f"{tags['device']}, {tags['precision']}{compiled}"
    rows["run id"] = _format_run_id(result)
    return Table([Column("", is_text=True)] * 2, list(rows.items()))


def _format_early_stop(result: RunResult) -> str:
    """Return where early stopping ended the training, and why; empty if it did not."""
    stopping, length = result.config.train.early_stopping, result.length
    if stopping is None or length is None or "steps_to_target" in result.metrics:
        return ""
    last_step = result.history.steps("train_loss")[-1]
    if last_step == length.num_steps:
        return ""
    values = result.history[stopping.monitor]
    best = (min if stopping.monitor == "val_loss" else max)(values, key=lambda step: values[step])
    return (
        f"after step {last_step:,} of {length.num_steps:,}, because {stopping.monitor} was no "
        f"better than at step {best:,}"
    )


def _format_target_result(metrics: Mapping[str, float]) -> str:
    if "steps_to_target" not in metrics:
        return "not reached"
    seconds = f"{metrics['seconds_to_target']:.1f} seconds with compiling"
    return f"reached at step {metrics['steps_to_target']:,.0f}, {seconds}"


def _format_run_id(result: RunResult) -> str:
    if not isinstance(result.config.tracking, MlflowTracking):
        return "not tracked"
    return result.run_id or "not in the store yet"


def _format_optimizer(config: Config, source: ConfigSource) -> str:
    """Return `adam (the default of model=conv), learning rate 0.001`."""
    origin = source.optimizer_origin(config)
    name = source.choices.get("optim", config.optim.type)
    if name == config.optim.type:  # For `keras`: the class, such as Lion.
        name = getattr(config.optim, "class_name", name)
    return f"{name}{f' ({origin})' if origin else ''}, learning rate {config.optim.learning_rate:g}"
