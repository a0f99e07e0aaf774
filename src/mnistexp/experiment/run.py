"""One run, from the config to the logged model."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from mnistexp.activity import show_activity
from mnistexp.analysis.figures import choose_examples, store_figures
from mnistexp.config.compose import located_errors
from mnistexp.config.config import Config, config_to_yaml, flatten_config
from mnistexp.config.config_hash import config_hash, seedless_hash, step_hash, workload_hash
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.likely_mistakes import find_likely_mistakes, print_likely_mistakes
from mnistexp.dashboard import ViewerProcess
from mnistexp.data import Data, load_data
from mnistexp.device import check_device, peak_memory_mb, reset_peak_memory
from mnistexp.errors import ConfigError
from mnistexp.experiment.description import describe_run
from mnistexp.experiment.early_end import RunProgress, explain_early_end
from mnistexp.experiment.environment import describe_environment, git_state
from mnistexp.experiment.guessing import explain_guessing
from mnistexp.experiment.monitors import open_monitors
from mnistexp.experiment.pruning import report_to_pruner
from mnistexp.experiment.resumption import NO_RESUMPTION, Resumption, open_checkpoints
from mnistexp.learner import Learner, build_learner
from mnistexp.learner.metrics import evaluate, score
from mnistexp.tracking import (
    COMMAND_TAG,
    ENDED_AT,
    FOLDER_TAG,
    MlflowTracking,
    ModelDescription,
    Tracker,
    check_tracking,
    redact_password,
    run_context,
    start_tracking_process,
)
from mnistexp.train import (
    History,
    LogMetrics,
    Target,
    TrainingLength,
    TrainingResult,
    check_finite,
)


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    metrics: the final ones, such as `test_accuracy`, `val_loss` and `seconds`.
    expectation_result: `met`, `missed` or `not judged`; empty if the config has no expectation.
    note: says so if the accuracy is that of guessing, and what to try; else empty.
    run_id: None if the run was not tracked. url: of the run's page; None if it has none.
    recording: the file for `mnistexp watch`; None if the run was not recorded.
    viewer: the process that shows the recording. length: of the training, as it was planned.
    """

    config: Config
    history: History
    metrics: dict[str, float]
    learner: Learner
    expectation_result: str
    run_id: str | None
    url: str | None
    recording: Path | None = None
    viewer: ViewerProcess = field(default_factory=ViewerProcess)
    note: str = ""
    length: TrainingLength | None = None


def run_experiment(
    config: Config,
    source: ConfigSource | None = None,
    resumption: Resumption = NO_RESUMPTION,
) -> RunResult:
    """Train, evaluate and track one configuration.

    Args:
        source: what the config was composed from.
        resumption: where an earlier run continues.

    Raises:
        InputError: a setting, a file, the device or the tracking store cannot be used.
        TrainingDiverged: the loss became NaN or infinite; the run has the status FAILED and the tag
            `diverged`.
        Pruned: the search stopped this trial; the run has the status KILLED and the tag `pruned`.
    """
    begin = time.perf_counter()
    source = source or ConfigSource()
    with located_errors(source):
        data = _check_and_load(config, source)
        # It imports MLflow while this process imports TensorFlow.
        start_tracking_process(config.tracking)
        learner = build_learner(config, data)  # Also sets up the device.
    reset_peak_memory(learner.device)
    name = _run_name(config, source)
    length = config.train.length(len(data.train))
    if config.sweep.job is None or resumption.start is not None:
        print(f"{name}: {_describe_start(resumption, length)} …", flush=True)
    progress = RunProgress(None if "train" in config.unused_sections else length)
    with (
        run_context(
            config.tracking,
            name,
            {**_source_tags(config, source), **resumption.tags},
            resume=resumption.run_id,
        ) as tracker,
        explain_early_end(progress, tracker, name, config),
    ):
        new_only = resumption.skip_known_steps(tracker.log_metrics)
        log_metrics = progress.follow(_log_or_prune(config, length, new_only))
        if resumption.run_id is None:
            _log_setup(tracker, config, source, data, learner)
        else:  # The store has it from the first part of the run.
            tracker.describe(describe_run(config, source))
            tracker.set_tags({ENDED_AT: ""})
        checkpoints = open_checkpoints(config, source, resumption, tracker)
        progress.checkpoints = checkpoints.folder
        with open_monitors(config, source, name, data, tracker, resumption) as opened:
            progress.recording = opened.recording
            training = learner.fit(data, log_metrics, opened.monitors, checkpoints)
            with show_activity("evaluating"):
                evaluation = _evaluate(config, source, data, learner, training)
        _log_outputs(tracker, name, data, learner, training, evaluation)
        seconds = training.earlier_seconds + time.perf_counter() - begin
        scalars = {**evaluation.scalars, "seconds": seconds}
        _log_results(tracker, resumption, training.num_steps, evaluation.metrics, scalars)
        metrics = evaluation.metrics | scalars
        tracker.describe(describe_run(config, source, metrics, evaluation.expectation_result))
    return RunResult(
        config=config,
        history=training.history,
        metrics=metrics,
        learner=learner,
        expectation_result=evaluation.expectation_result,
        run_id=tracker.run_id,
        url=tracker.url(),
        recording=opened.recording,
        viewer=opened.viewer,
        note=evaluation.note,
        length=length,
    )


@dataclass(frozen=True)
class _Evaluation:
    """What a trained model reaches.

    test_probabilities: predicted for the test images, [num_images, num_classes]; None if the config
        leaves them unread.
    metrics: of the last step. scalars: results without a curve.
    expectation_result, note: as in `RunResult`.
    """

    test_probabilities: np.ndarray | None
    metrics: dict[str, float]
    scalars: dict[str, float]
    expectation_result: str
    note: str


def _evaluate(
    config: Config, source: ConfigSource, data: Data, learner: Learner, training: TrainingResult
) -> _Evaluation:
    measured = data.test if config.data.use_test else data.validation
    probabilities = learner.predict_probabilities(measured.images)
    metrics = _final_metrics(learner, data, training, probabilities)
    target = _scalars_of_target(config.train.target, training)
    test_accuracy = metrics.get("test_accuracy")
    accuracy = metrics["val_accuracy"] if test_accuracy is None else test_accuracy
    loss = training.history["train_loss"]
    return _Evaluation(
        test_probabilities=probabilities if config.data.use_test else None,
        metrics=metrics,
        scalars={**_scalars(learner, training), **target},
        expectation_result=_compare_with_expectation(config, source, test_accuracy),
        note=explain_guessing(config, loss, accuracy, measured.labels),
    )


def _log_outputs(
    tracker: Tracker,
    name: str,
    data: Data,
    learner: Learner,
    training: TrainingResult,
    evaluation: _Evaluation,
) -> None:
    """Log what the training made: judgments, the hash of the weights, figures and the model."""
    judgments = {"expectation": evaluation.expectation_result, "note": evaluation.note}
    tracker.set_tags({tag: text for tag, text in judgments.items() if text})
    tracker.set_tags({"weights_sha256": learner.digest()})
    probabilities = evaluation.test_probabilities
    if probabilities is not None:  # The figures show test images.
        tracker.log_figures(
            lambda file: store_figures(
                *(file, name, training.history, data.test, probabilities),
                *(learner.first_layer(), choose_examples(data), learner.augment),
            )
        )
    with show_activity("saving the model"):
        tracker.log_model(partial(_save_model, learner, data))


def _log_results(
    tracker: Tracker,
    resumption: Resumption,
    last_step: int,
    metrics: Mapping[str, float],
    scalars: Mapping[str, float],
) -> None:
    """Log the final metrics, and at step 0 the results that have no curve.

    MLflow draws values of later steps as curves, here of a single point.
    """
    tracker.log_metrics(resumption.skip_known_values(metrics, last_step), last_step)
    tracker.log_metrics(resumption.skip_known_values(scalars, 0), 0)


def _check_and_load(config: Config, source: ConfigSource) -> Data:
    """Check all that needs no TensorFlow, whose import takes seconds, and read the data."""
    is_job = config.sweep.job is not None
    if not is_job:  # A job of a sweep runs also while the store fails.
        check_tracking(config.tracking)
    check_device(config.device)
    _check_folder(source.folder)
    with show_activity("reading data"):
        data = load_data(config.data)
    if not is_job:  # A sweep prints the mistakes of all its jobs at its start.
        print_likely_mistakes(find_likely_mistakes(config, len(data.train)))
    return data


def _check_folder(folder: Path | None) -> None:
    """Refuse an output folder below something that is no folder."""
    for parent in folder.absolute().parents if folder is not None else ():
        if parent.exists() and not parent.is_dir():
            raise ConfigError(
                f"hydra.run.dir: expected folders. Received: the file {parent}. Rename it, or set "
                "another one"
            )


def _run_name(config: Config, source: ConfigSource) -> str:
    """Return the name from the settings, else from the sweep, else from the chosen options."""
    job = config.sweep.job
    return config.tracking.run_name or (job.name if job else source.run_name(config))


def _describe_start(resumption: Resumption, length: TrainingLength) -> str:
    if resumption.start is None:
        return "starting"
    return f"continuing after step {resumption.start.step:,} of {length.num_steps:,}"


def _source_tags(config: Config, source: ConfigSource) -> dict[str, str]:
    """Return MLflow's tags for the command of the run and for the sweep that it belongs to."""
    tags = {COMMAND_TAG: source.command}
    if source.folder is not None:
        tags[FOLDER_TAG] = str(source.folder.absolute())
    if config.sweep.job and config.sweep.job.parent_run_id:
        tags["mlflow.parentRunId"] = config.sweep.job.parent_run_id
    return tags


def _log_setup(
    tracker: Tracker, config: Config, source: ConfigSource, data: Data, learner: Learner
) -> None:
    """Log what is known before the training: settings, hashes, data, environment, layers."""
    train = config.train.with_explicit_length()
    recorded = config.model_copy(update={"train": train})
    settings = redact_password(config_to_yaml(recorded))
    if source.folder is not None and isinstance(config.tracking, MlflowTracking):
        source.folder.mkdir(parents=True, exist_ok=True)
        (source.folder / "config.yaml").write_text(settings)
    tracker.describe(describe_run(config, source))
    environment = describe_environment()
    tracker.log_params({**source.used_choices(config), **flatten_config(recorded)})
    tracker.set_tags(
        {
            "config_hash": config_hash(config, data.digest),
            "seedless_hash": seedless_hash(config, data.digest),
            "workload_hash": workload_hash(config),
            "step_hash": step_hash(config),
            "host": environment["host"],
            **git_state(),
            **learner.tags(),
        }
    )
    sizes = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    tracker.log_dataset(data.name, data.digest, sizes)
    tracker.log_text(settings, "config.yaml")
    tracker.log_text("".join(f"{override}\n" for override in source.overrides), "overrides.txt")
    tracker.log_text(json.dumps(environment, indent=2), "environment.json")
    tracker.log_text(learner.summary, "model_summary.txt")


def _log_or_prune(config: Config, length: TrainingLength, log_metrics: LogMetrics) -> LogMetrics:
    """Return the function that logs metrics and, in a search, reports them to the pruner."""
    trial = config.sweep.job.trial if config.sweep.job else None
    return report_to_pruner(trial, length.num_steps, log_metrics)


def _final_metrics(
    learner: Learner, data: Data, training: TrainingResult, probabilities: np.ndarray
) -> dict[str, float]:
    """Compute the metrics of the trained model on validation and test images.

    Args:
        probabilities: predicted for the test images, [num_images, num_classes]; for the validation
            images if the run must not read the test images.

    Raises:
        TrainingDiverged: the test loss is NaN or infinite.
    """
    if not len(data.test):
        validation, test = score(probabilities, data.validation.labels), {}
    else:
        validation = evaluate(learner, data.validation)
        test = score(probabilities, data.test.labels)
        check_finite(test["loss"], training.num_steps, "test_loss")
    metrics = {f"val_{name}": value for name, value in validation.items()}
    metrics |= {f"test_{name}": value for name, value in test.items()}
    return metrics


def _scalars(learner: Learner, training: TrainingResult) -> dict[str, float]:
    """Return the results without a curve: highest test accuracy, time, parameters, memory."""
    test_accuracies = training.history["test_accuracy"].values()
    highest = {"test_accuracy_max": max(test_accuracies)} if test_accuracies else {}
    return {
        **highest,
        "train_seconds": training.seconds,
        "mean_images_per_second": training.images_per_second,
        "num_parameters": float(learner.num_parameters),
        **peak_memory_mb(learner.device),
    }


def _scalars_of_target(target: Target | None, training: TrainingResult) -> dict[str, float]:
    """Return the duration of the training in seconds and steps, if it reached the target."""
    if target is None or not target.is_reached(training.history.last(target.metric)):
        return {}
    return {
        "seconds_to_target": training.seconds,
        "steps_to_target": float(training.num_steps),
    }


def _save_model(learner: Learner, data: Data, folder: Path) -> ModelDescription:
    """Write the model, and the rule by which it refuses images that show no digit."""
    description = learner.save(folder)
    learner.save_rejection_rule(data, folder)
    return description


def _compare_with_expectation(
    config: Config, source: ConfigSource, test_accuracy: float | None
) -> str:
    """Return `met`, `missed`, `not judged` (for altered settings), or "" without expectation."""
    if config.expect is None:
        return ""
    if source.altered_settings or test_accuracy is None:
        return "not judged"
    return "met" if config.expect.is_met(test_accuracy) else "missed"
