"""Train a logged run again, and compare its weights and metrics with the logged ones."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnistexp.config.compose import resolve_config
from mnistexp.config.config import Config
from mnistexp.config.config_hash import config_hash
from mnistexp.config.config_source import ConfigSource
from mnistexp.data import load_data
from mnistexp.errors import InputError
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.experiment.environment import CHANGED_CODE, describe_environment
from mnistexp.runs.logged_config import read_logged_settings
from mnistexp.tracking import COMMAND_TAG, RunRecord, RunStore

MEASURED_COSTS = (
    *("seconds", "train_seconds", "images_per_second", "mean_images_per_second"),
    *("peak_memory_mb", "peak_gpu_memory_mb"),
)
"""Metrics of time and memory, which differ between equal runs."""
LATER_METRICS = "evaluation/"
"""The start of the metrics that `mnistexp evaluate --log` adds to a run."""
DEVICE_TAGS = ("device", "threads", "precision", "xla")
WEIGHTS_TAG = "weights_sha256"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Difference:
    """What was recorded of a run, and what it is now, as text."""

    name: str
    recorded: str
    now: str

    def __str__(self) -> str:
        return f"{self.name}: {self.recorded} → {self.now}"


@dataclass(frozen=True)
class Comparison:
    """The comparison of a logged run with its repetition.

    results: the weights and metrics that differ. circumstances: what else differs, and may be the
    reason. num_values: the number of values that were compared.
    """

    results: list[Difference]
    circumstances: list[Difference]
    num_values: int

    @property
    def is_identical(self) -> bool:
        """Whether the weights and all metrics are equal."""
        return not self.results


def read_logged_config(store: RunStore, run: RunRecord) -> Config:
    """Return the config that a run logged, without tracking and dashboard.

    Raises:
        InputError: the run has not finished, has no config, or its config is not valid any more;
            or it is an ensemble.
    """
    if run.is_ensemble:
        raise InputError(
            f"{run.name}: expected a run that was trained. Received: an ensemble of other runs. "
            f"To make it again: {run.tags.get(COMMAND_TAG)}"
        )
    if run.status != "FINISHED":
        raise InputError(
            f"{run.name}: expected a finished run, whose result can be compared. Received: "
            f"{run.run_id}, {run.ending}"
        )
    settings = read_logged_settings(store, run)
    settings.tracking = {"type": "none"}
    for section in ("dashboard", "expect"):
        settings.pop(section, None)
    return resolve_config(settings, ConfigSource())


def compare_circumstances(store: RunStore, run: RunRecord, config: Config) -> list[Difference]:
    """Return what differs from the recorded run before the training: data, code and packages.

    Args:
        config: of `read_logged_config`.

    Raises:
        DataError: the data cannot be read.
    """
    digest = load_data(config.data).digest
    recorded_digest = store.data_digest(run.run_id) or NOT_RECORDED
    text = store.artifact(run.run_id, "environment.json")
    recorded = _flatten_environment(json.loads(text) if text is not None else {})
    now = _flatten_environment(describe_environment())
    found = [
        Difference("data", recorded_digest[:12], digest[:12]),
        *(Difference(name, recorded.get(name, NOT_RECORDED), text) for name, text in now.items()),
    ]
    differences = [d for d in found if d.recorded != d.now or d.now.endswith(CHANGED_CODE)]
    expected_hash = run.tags.get("config_hash", NOT_RECORDED)
    now_hash = config_hash(config, digest, run.threads)
    if recorded_digest == digest and expected_hash != now_hash:
        differences.append(Difference("config_hash", expected_hash[:12], now_hash[:12]))
    return differences


def train_again(run: RunRecord, config: Config) -> RunResult:
    """Train the config of a run. Nothing is recorded.

    Raises:
        InputError: the device cannot be used.
        TrainingDiverged: the loss became NaN or infinite.
    """
    choices = {group: run.params[group] for group in ("model", "optim") if group in run.params}
    return run_experiment(config, ConfigSource(choices=choices, given_name=run.name))


def compare_results(
    store: RunStore, run: RunRecord, result: RunResult, circumstances: list[Difference]
) -> Comparison:
    """Compare the weights and all metrics, except times and memory, with those of the run.

    Args:
        circumstances: of `compare_circumstances`.
    """
    recorded_weights = run.tags.get(WEIGHTS_TAG, NOT_RECORDED)
    weights = Difference(WEIGHTS_TAG, recorded_weights[:12], result.learner.digest()[:12])
    recorded, now = _recorded_curves(store, run), _curves(result)
    differing = [weights] if recorded_weights != result.learner.digest() else []
    for name in sorted({*recorded, *now}):
        differing += _compare_curves(name, recorded.get(name, {}), now.get(name, {}))
    tags = result.learner.tags()
    device = [
        Difference(tag, run.tags.get(tag, NOT_RECORDED), tags[tag])
        for tag in DEVICE_TAGS
        if tag in tags and run.tags.get(tag) != tags[tag]
    ]
    num_values = 1 + sum(len(curve) for curve in recorded.values())
    return Comparison(differing, [*circumstances, *device], num_values)


def _flatten_environment(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return what may change results: Python, packages and code, as text by name."""
    packages = environment.get("packages") or {}
    named = {name: packages[name] for name in sorted(packages)}
    flat = {"python": environment.get("python"), **named, "code": environment.get("code")}
    return {name: str(value) for name, value in flat.items() if value is not None}


def _recorded_curves(store: RunStore, run: RunRecord) -> dict[str, dict[int, float]]:
    names = [name for name in run.metrics if _is_compared(name)]
    histories = store.histories([run.run_id], names)
    return {name: dict(histories[name].get(run.run_id, ())) for name in names}


def _curves(result: RunResult) -> dict[str, dict[int, float]]:
    """Return the curves of a run in the form in which the store has them.

    The final metrics of the trained model are its values at the last step; those that are no curve
    are at step 0.
    """
    curves = {name: dict(result.history[name]) for name in result.history.names}
    last_step = max(step for curve in curves.values() for step in curve)
    for name, value in result.metrics.items():
        is_curve = name.startswith(("val_", "test_")) and name != "test_accuracy_max"
        curves.setdefault(name, {})[last_step if is_curve else 0] = value
    return {name: curve for name, curve in curves.items() if _is_compared(name)}


def _is_compared(metric: str) -> bool:
    return metric not in MEASURED_COSTS and not metric.startswith(LATER_METRICS)


def _compare_curves(
    name: str, recorded: Mapping[int, float], now: Mapping[int, float]
) -> Iterator[Difference]:
    """Yield the difference at the last step of a metric, and the first step that differs."""
    steps = sorted({*recorded, *now})
    differing = [step for step in steps if not _are_equal(recorded.get(step), now.get(step))]
    if differing:
        title = f"{name} at step {differing[0]:,}"
        if len(differing) > 1:
            title += f" and {len(differing) - 1:,} more"
        yield Difference(title, _format(recorded.get(differing[0])), _format(now.get(differing[0])))


def _are_equal(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return first == second or (math.isnan(first) and math.isnan(second))


def _format(value: float | None) -> str:
    return "none" if value is None else repr(value)
