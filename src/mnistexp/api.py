"""The Python interface: train from notebooks and scripts."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.errors import InputError, ModelError, RecordingError
from mnistexp.experiment import run_experiment
from mnistexp.runs.find_recording import find_recorded_run
from mnistexp.runs.run_tables import open_run_store
from mnistexp.tracking import DEFAULT_EXPERIMENT, MlflowTracking

if TYPE_CHECKING:
    import pandas

    from mnistexp.dashboard.figure import DashboardFigure
    from mnistexp.inference.classification import Reading

SEVERAL_SETTINGS = re.compile(r"\S+=\S* +[\w./]+=")
"""Settings in one text, separated by spaces as in a shell."""


@dataclass(frozen=True)
class Result:
    """The result of a run.

    metrics: the final ones, `test_accuracy` and others. history: one row per step (the index), one
    column per metric, NaN where a metric was not measured. model: raw pixels to probabilities; a
    Keras model for uint8 [n, 28, 28, 1], or a scikit-learn estimator for [n, 784]. run_id: None if
    the run was not tracked. recording: for `mnistexp.watch`; None if the run was not recorded.
    """

    config: Config
    metrics: Mapping[str, float]
    history: "pandas.DataFrame"
    model: Any
    run_id: str | None
    recording: Path | None

    def __repr__(self) -> str:
        name = "test_accuracy" if self.config.data.use_test else "val_accuracy"
        return f"Result({name}={self.metrics[name]:.4f}, run_id={self.run_id!r})"


def run(*overrides: str) -> Result:
    """Train, evaluate and track one configuration, as `mnistexp OVERRIDES` does.

    Args:
        overrides: choices and settings, `"model=conv_big"`, `"train.epochs=2"`.

    Raises:
        InputError: a setting, a file, the device or the tracking store cannot be used.
        TrainingDiverged: the loss became NaN or infinite.
    """
    for override in overrides:
        if not isinstance(override, str) or override.startswith("-"):
            raise InputError(
                'run: expected settings as texts, run("model=conv", "train.epochs=2"). Received: '
                f"{override!r}. Options such as -m are for the command line"
            )
        if SEVERAL_SETTINGS.match(override):
            raise InputError(
                f'run: expected one text for each setting, run("model=conv", "train.epochs=2"). '
                f"Received: {override!r}"
            )
    result = run_experiment(*compose_config(list(overrides)))
    return Result(
        config=result.config,
        metrics=result.metrics,
        history=result.history.to_frame(),
        model=result.learner.model,
        run_id=result.run_id,
        recording=result.recording,
    )


def predict(
    model: Result | str,
    *images: "str | os.PathLike[str]",
    experiment: str = DEFAULT_EXPERIMENT,
    uri: str | None = None,
) -> "list[Reading]":
    """Read the digits in image files, or classify them as a whole, as `mnistexp predict` does.

    Args:
        model: the result of a tracked run, or the name of a run or a registered model.
        images: PNG, JPEG, WebP or TIFF files.
        experiment: of MLflow.
        uri: of the store. Default: that of the result, MLFLOW_TRACKING_URI, or mlflow.db here.

    Returns:
        A `Reading` for each image: its `status` and its `predictions`, from left to right.

    Raises:
        InputError: there is no such model, or a file cannot be read.
    """
    from mnistexp.inference import load_model
    from mnistexp.inference.classification import read_pictures
    from mnistexp.inference.image_io import read_image
    from mnistexp.inference.picture_input import prepare_picture
    from mnistexp.runs.run_selection import select_model

    lists = [type(image).__name__ for image in images if not isinstance(image, str | os.PathLike)]
    if lists:
        raise InputError(
            f"images: expected paths, predict(model, path, path). Received: a {lists[0]}. Write "
            "*paths for a list"
        )
    opened = [read_image(os.fspath(image)) for image in images]
    if isinstance(model, Result):
        tracking = model.config.tracking
        uri = uri or (tracking.uri if isinstance(tracking, MlflowTracking) else None)
        if model.run_id is None:
            raise ModelError("this run has no stored model: it was run with tracking=none")
    name = model if isinstance(model, str) else model.run_id
    store = open_run_store(experiment, uri)
    trained = load_model(select_model(store, name or ""), store)
    pictures = [prepare_picture(trained, picture) for picture in opened]
    return read_pictures(trained, pictures, trained.classes.class_names)


def watch(
    run: "Result | str | os.PathLike[str] | None" = None,
    *,
    experiment: str = DEFAULT_EXPERIMENT,
    uri: str | None = None,
) -> "DashboardFigure":
    """Draw the six panels of a run at its newest recorded frame.

    Args:
        run: the result of a run, a run of the store (see `select_run`), the folder of a run, or a
            recording. Default: the newest recording of the working folder.
        experiment: of MLflow.
        uri: of the store. Default: MLFLOW_TRACKING_URI, else mlflow.db here.

    Raises:
        InputError: there is no such run, it was not recorded, or nothing is recorded yet.
    """
    from mnistexp.dashboard.figure import DashboardFigure

    if not isinstance(run, Result):
        name = None if run is None else os.fspath(run)
        recorded_run = find_recorded_run(name, open_run_store(experiment, uri))
    elif run.recording is None:
        raise RecordingError("this run was not recorded: run it with dashboard=record")
    else:
        recorded_run = RecordedRun(run.recording)
    figure = DashboardFigure(recorded_run)
    figure.draw_frame(recorded_run.last_index, status=recorded_run.recording.fault)
    return figure
