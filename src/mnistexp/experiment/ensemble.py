"""A run whose model is the mean of the models of finished runs."""

import hashlib
import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mnistexp.activity import show_activity
from mnistexp.analysis.figures import choose_examples, store_figures
from mnistexp.data import Data, DataConfig, load_data
from mnistexp.experiment.ensemble_members import read_common_data, select_members
from mnistexp.experiment.environment import describe_environment, git_state
from mnistexp.inference.ensemble import Ensemble, build_ensemble
from mnistexp.inference.model_loading import load_model
from mnistexp.learner.learner import describe_images
from mnistexp.learner.metrics import score
from mnistexp.runs.run_selection import seedless
from mnistexp.tracking import (
    COMMAND_TAG,
    MlflowTracking,
    RunRecord,
    RunStore,
    Tracker,
    run_context,
    start_tracking_process,
)
from mnistexp.tracking.model_registry import model_of_run
from mnistexp.train import History

MODEL = "ensemble"
"""The choice of `model` that the run of an ensemble records."""
DEVICE_TAGS = ("device", "device_type", "threads", "precision")
"""Tags that are those of the first member."""


@dataclass(frozen=True)
class EnsembleResult:
    """The run of an ensemble: its name, its id in MLflow, its metrics, and its members."""

    name: str
    run_id: str | None
    metrics: Mapping[str, float]
    members: Sequence[RunRecord]


def run_ensemble(store: RunStore, names: Sequence[str]) -> EnsembleResult:
    """Average the models of runs, measure the result, and track it as a run of its own.

    Args:
        store: where the members are. The run is written there too.
        names: of the members, see `select_members`.

    Raises:
        InputError: the runs cannot be averaged.
        ModelError: a member has no model, or its files are damaged.
    """
    begin = time.perf_counter()
    members = select_members(store, names)
    stored = [model_of_run(run) for run in members]
    settings = read_common_data(store, members)
    with show_activity("reading data"):
        data = load_data(settings)
    config = MlflowTracking(type="mlflow", uri=store.config.uri, experiment=store.config.experiment)
    start_tracking_process(config)
    with show_activity("loading the models"):
        ensemble = build_ensemble([load_model(model, store) for model in stored])
    name = _run_name(members)
    print(f"{name}: averaging {len(members)} runs …", flush=True)
    with run_context(config, name, {COMMAND_TAG: _command(members)}) as tracker:
        _log_setup(tracker, settings, data, members, ensemble)
        history = History(tracker.log_metrics)
        with show_activity("evaluating"):
            probabilities = _measure(ensemble.predict_probabilities, data, history)
        if probabilities is not None:
            tracker.log_figures(
                lambda file: store_figures(
                    *(file, name, history, data.test, probabilities),
                    *(None, choose_examples(data), lambda _: None),
                )
            )
        tracker.log_model(lambda folder: ensemble.save(folder, describe_images(data)))
        parameters = sum(run.metrics.get("num_parameters", 0.0) for run in members)
        seconds = time.perf_counter() - begin
        history.record({"num_parameters": parameters, "seconds": seconds}, step=0)
    metrics = {metric: curve[0] for metric, curve in history.curves.items()}
    return EnsembleResult(name, tracker.run_id, metrics, members)


def _run_name(members: Sequence[RunRecord]) -> str:
    """Return `ensemble-conv_big-adam-x5` for runs that differ in the seed, or `ensemble-x3`."""
    names = {seedless(run.name) for run in members}
    common = f"-{names.pop()}" if len(names) == 1 else ""
    return f"{MODEL}{common}-x{len(members)}"


def _command(members: Sequence[RunRecord]) -> str:
    return shlex.join(["mnistexp", "ensemble", *(run.run_id for run in members)])


def _log_setup(
    tracker: Tracker,
    settings: DataConfig,
    data: Data,
    members: Sequence[RunRecord],
    ensemble: Ensemble,
) -> None:
    """Log what the ensemble is made of, and the data that it is measured on."""
    from omegaconf import OmegaConf

    config = {"data": settings.model_dump(mode="json"), "device": {"type": "auto"}}
    ids = [run.run_id for run in members]
    flat = {f"data.{name}": value for name, value in config["data"].items()}
    tracker.log_params(
        {"model": MODEL, "data": data.name, **flat, "ensemble.size": len(ids)}
        | {"ensemble.runs": " ".join(ids)}
    )
    identity = _hash(data.digest, members)
    digests = {"config_hash": identity, "seedless_hash": identity}
    of_first = {tag: members[0].tags[tag] for tag in DEVICE_TAGS if tag in members[0].tags}
    weights = {"weights_sha256": ensemble.digest()}
    tracker.set_tags({"kind": MODEL, **digests, **of_first, **weights, **git_state()})
    sizes = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    tracker.log_dataset(data.name, data.digest, sizes)
    tracker.log_text(OmegaConf.to_yaml(OmegaConf.create(config)), "config.yaml")
    tracker.log_text(json.dumps(describe_environment(), indent=2), "environment.json")
    tracker.log_text(ensemble.summary, "model_summary.txt")
    listed = "\n".join(f"- {run.name}, {run.run_id}" for run in members)
    tracker.describe(f"The mean of the probabilities of {len(members)} runs:\n\n{listed}")


def _hash(data_digest: str, members: Sequence[RunRecord]) -> str:
    """Return the SHA-256 of what determines the ensemble, in any order of its members."""
    weights = sorted(run.tags.get("weights_sha256", run.run_id) for run in members)
    return hashlib.sha256(json.dumps([data_digest, weights]).encode()).hexdigest()


def _measure(
    predict: Callable[[np.ndarray], np.ndarray], data: Data, history: History
) -> np.ndarray | None:
    """Record loss and accuracy, and return the probabilities for the test images, if there are any.

    They are recorded at step 0, since an ensemble has no training.
    """
    probabilities = None
    for split, prefix in ((data.validation, "val"), (data.test, "test")):
        if len(split):
            probabilities = predict(split.images)
            metrics = score(probabilities, split.labels)
            history.record({f"{prefix}_{name}": value for name, value in metrics.items()}, step=0)
    return probabilities if len(data.test) else None
