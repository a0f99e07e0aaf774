"""One run, from the config to what it is worth. The path of the data, on one screen."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mnistexp.analysis.figures import draw_run
from mnistexp.config.config import Config, config_to_yaml, flatten_config
from mnistexp.config.config_hash import config_hash, seedless_hash, workload_hash
from mnistexp.config.config_source import ConfigSource
from mnistexp.dashboard import ViewerProcess
from mnistexp.data import Data, load_data
from mnistexp.device import check_device, peak_memory_mb, reset_peak_memory
from mnistexp.errors import Pruned, TrainingDiverged
from mnistexp.experiment.description import describe_run
from mnistexp.experiment.environment import describe_environment, git_state
from mnistexp.experiment.monitors import observing
from mnistexp.experiment.pruning import report_to_pruner
from mnistexp.learner import Learner, build_learner
from mnistexp.learner.metrics import evaluate, score
from mnistexp.tracking import Tracker, check_tracking, run_context
from mnistexp.train import History, Monitors, Training, check_finite


@dataclass(frozen=True)
class RunResult:
    """What a run gave.

    metrics: the final ones: `test_accuracy`, `val_loss`, `seconds`, …
    verdict: whether what the experiment expects was reached; empty where nothing is expected.
    run_id: None if it was not tracked. page: its address, if it lies on a server.
    recording: for `mnistexp watch`; None if it was not recorded. audience: the view that is open.
    """

    config: Config
    history: History
    metrics: dict[str, float]
    learner: Learner
    verdict: str
    run_id: str | None
    page: str | None
    recording: Path | None = None
    audience: ViewerProcess = field(default_factory=ViewerProcess)


def run_experiment(config: Config, origin: ConfigSource | None = None) -> RunResult:
    """Train, evaluate and track one configuration.

    What can fail cheaply fails first: store, device and data are checked before TensorFlow is
    imported, and the layers before there is a run in the store.

    Raises:
        InputError: something that the user has given cannot work.
        TrainingDiverged: the loss became NaN or infinite; the run is FAILED, and its tag
            `diverged` is set.
        Pruned: a search has given it up; the run is KILLED, and its tag `pruned` is set.
    """
    begin = time.perf_counter()
    origin = origin or ConfigSource()
    check_tracking(config.tracking)
    check_device(config.device)
    data = load_data(config.data)
    learner = build_learner(config, data)
    reset_peak_memory(learner.device)
    name = _name(config, origin)
    with run_context(config.tracking, name, _tags(config, origin)) as tracker:
        _log_setup(tracker, config, origin, data, learner)
        with observing(config, origin, name, data, tracker) as observation:
            training, final, predicted = _fit(learner, config, data, tracker, observation.monitors)
        metrics = {
            **final,
            "train_seconds": training.seconds,
            "mean_images_per_second": training.images_per_second,
            "num_parameters": float(learner.num_parameters),
            **peak_memory_mb(learner.device),
        }
        verdict = _verdict(config, origin, metrics["test_accuracy"])
        tracker.set_tags({"weights_sha256": learner.digest()})
        if verdict:
            tracker.set_tags({"expectation": verdict})
        tracker.log_model(learner.save)
        tracker.log_figures(
            lambda: draw_run(training.history, data.test, predicted, learner.first_layer())
        )
        metrics["seconds"] = time.perf_counter() - begin
        tracker.log_metrics(metrics, training.num_steps)
        tracker.describe(describe_run(config, origin, metrics, verdict))
    history, page = training.history, tracker.url()
    return RunResult(
        *(config, history, metrics, learner, verdict, tracker.run_id, page),
        recording=observation.recording,
        audience=observation.audience,
    )


def _name(config: Config, origin: ConfigSource) -> str:
    """What the settings, the sweep or the choices call the run."""
    job = config.sweep.job
    return config.tracking.run_name or (job.name if job else origin.run_name(config))


def _tags(config: Config, origin: ConfigSource) -> dict[str, str]:
    """What is known before the run: the command, and the sweep that it belongs to."""
    tags = {"mlflow.source.name": " ".join(["mnistexp", *origin.overrides])}
    if config.sweep.job and config.sweep.job.parent_run_id:
        tags["mlflow.parentRunId"] = config.sweep.job.parent_run_id
    return tags


def _fit(
    learner: Learner, config: Config, data: Data, tracker: Tracker, monitors: Monitors
) -> tuple[Training, dict[str, float], np.ndarray]:
    """The training, the final figures of what was learned, and what it makes of the test images."""
    try:
        trial = config.sweep.job.trial if config.sweep.job else None
        training = learner.fit(data, report_to_pruner(trial, tracker.log_metrics), monitors)
        predicted = learner.predict_probabilities(data.test.images)
        return training, _final_metrics(learner, data, training, predicted), predicted
    except TrainingDiverged:
        tracker.set_tags({"diverged": "true"})
        raise
    except Pruned:
        tracker.set_tags({"pruned": "true"})
        raise


def _verdict(config: Config, origin: ConfigSource, test_accuracy: float) -> str:
    """`met`, `missed` or `not judged`; empty where nothing is expected."""
    if config.expect is None:
        return ""
    if origin.altered_settings:
        return "not judged"
    return "met" if config.expect.is_met(test_accuracy) else "missed"


def _final_metrics(
    learner: Learner, data: Data, training: Training, predicted: np.ndarray
) -> dict[str, float]:
    """Loss and accuracy on validation and test, and the best test accuracy if it was watched."""
    validation = evaluate(learner, data.validation)
    test = score(predicted, data.test.labels)
    metrics = {f"val_{name}": value for name, value in validation.items()}
    metrics |= {f"test_{name}": value for name, value in test.items()}
    check_finite(metrics["test_loss"], training.num_steps, "test_loss")
    watched = training.history["test_accuracy"]
    if watched:
        metrics["test_accuracy_max"] = max(watched.values())
    return metrics


def _log_setup(
    tracker: Tracker, config: Config, origin: ConfigSource, data: Data, learner: Learner
) -> None:
    """All that is known before the training."""
    settings = config_to_yaml(config)
    if origin.folder is not None:
        origin.folder.mkdir(parents=True, exist_ok=True)
        (origin.folder / "config.yaml").write_text(settings)
    tracker.describe(describe_run(config, origin))
    environment = describe_environment()
    tracker.log_params({**origin.choices, **flatten_config(config)})
    tracker.set_tags(
        {
            "config_hash": config_hash(config, data.digest),
            "seedless_hash": seedless_hash(config, data.digest),
            "workload_hash": workload_hash(config),
            "host": environment["host"],
            **git_state(),
            **learner.tags(),
        }
    )
    sizes = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    tracker.log_dataset(data.name, data.digest, sizes)
    tracker.log_text(settings, "config.yaml")
    tracker.log_text("".join(f"{override}\n" for override in origin.overrides), "overrides.txt")
    tracker.log_text(json.dumps(environment, indent=2), "environment.json")
    tracker.log_text(learner.summary, "model_summary.txt")
