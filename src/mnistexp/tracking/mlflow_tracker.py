"""The tracker that records a run in MLflow."""

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.metric_names import stored_name
from mnistexp.tracking.model_registry import register_model
from mnistexp.tracking.store import DESCRIPTION_TAG, run_url, tracking_uri
from mnistexp.tracking.tracker import DrawFigures, SaveModel, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric

METRICS_PER_BATCH = 1_000
PARAMS_PER_BATCH = 100
MAX_PARAM_LENGTH = 6_000
MAX_TAG_LENGTH = 8_000
FLUSH_SECONDS = 5.0
"""Metrics are sent at least this often, so that the pages of a running run are up to date."""


class MlflowTracker(Tracker):
    """Records a run in MLflow.

    Metrics are buffered and sent in batches, since sending a single one takes about 10 ms.
    """

    def __init__(
        self, client: "MlflowClient", run_id: str, experiment_id: str, config: MlflowTracking
    ) -> None:
        super().__init__()
        self._id = run_id
        self._client = client
        self._experiment_id = experiment_id
        self._config = config
        self._unsent: list[Metric] = []
        self._last_flush = time.monotonic()

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings; values of more than 6,000 characters are cut."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:MAX_PARAM_LENGTH]) for key, value in params.items()]
        for start in range(0, len(entries), PARAMS_PER_BATCH):
            self._client.log_batch(self._id, params=entries[start : start + PARAMS_PER_BATCH])

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Buffer values measured after `step` steps; send the buffer if it is full or old."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._unsent += [
            Metric(stored_name(name), value, now, step) for name, value in metrics.items()
        ]
        is_old = time.monotonic() - self._last_flush > FLUSH_SECONDS
        if is_old or len(self._unsent) >= METRICS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Send the buffered metrics. If that fails, they stay in the buffer."""
        while self._unsent:
            batch = self._unsent[:METRICS_PER_BATCH]
            self._client.log_batch(self._id, metrics=batch)
            del self._unsent[: len(batch)]
        self._last_flush = time.monotonic()

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags, by which runs can be filtered."""
        from mlflow.entities import RunTag

        self._client.log_batch(
            self._id, tags=[RunTag(key, str(value)) for key, value in tags.items()]
        )

    def describe(self, markdown: str) -> None:
        """Describe the run on its page, unless the settings have a description."""
        self.set_tags({DESCRIPTION_TAG: self._config.description or markdown})

    def describe_end(self, status: str, reason: str) -> None:
        """Put the status and the reason of an early end before the description of the run."""
        description = self._client.get_run(self._id).data.tags.get(DESCRIPTION_TAG, "")
        text = f"**{status.capitalize()}:** {reason}\n\n{description}"
        self.set_tags({DESCRIPTION_TAG: text[:MAX_TAG_LENGTH]})

    def log_text(self, text: str, path: str) -> None:
        """Store a text as the artifact `path`."""
        self._client.log_text(self._id, text, path)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Store a figure as the artifact `path`."""
        self._client.log_figure(self._id, figure, path)

    def log_figures(self, draw: "DrawFigures") -> None:
        """Store the figures that `draw` yields as `figures/NAME.png`, unless `figures` is false."""
        if not self._config.figures:
            return
        for name, figure in draw():
            self.log_figure(figure, f"figures/{name}.png")

    def log_artifact(self, file: Path, folder: str) -> None:
        """Store a file among the artifacts, in `folder`."""
        self._client.log_artifact(self._id, str(file), folder)

    def log_dataset(self, name: str, digest: str, profile: Mapping[str, int]) -> None:
        """Record which data was used. profile: the number of images of each split."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        dataset = Dataset(
            name=name,
            digest=digest[:8],  # MLflow's tables show it beside the name, which must be readable.
            source_type="local",
            source=json.dumps({"sha256": digest}),
            profile=json.dumps(dict(profile)),
        )
        context = InputTag("mlflow.data.context", "train, validation, test")
        inputs = [DatasetInput(dataset, [context])]
        try:
            self._client.log_inputs(self._id, inputs)
        except MlflowException:  # Another run recorded the same new data set at the same moment.
            self._client.log_inputs(self._id, inputs)

    def log_model(self, save: SaveModel) -> None:
        """Store the model that `save` writes, unless `log_model` is false; register it if set.

        The steps are separate calls of the client, because `mlflow.tensorflow.log_model` would load
        the model again and predict with it, which takes up to two minutes.
        """
        if not self._config.log_model:
            return
        from mlflow.entities import LoggedModelOutput

        model = self._client.create_logged_model(
            self._experiment_id,
            name="model",
            source_run_id=self._id,
            params=self._client.get_run(self._id).data.params,
        )
        self._client.log_outputs(self._id, [LoggedModelOutput(model.model_id, step=0)])
        try:
            self._upload_model(model, save)
        except BaseException:
            self._client.finalize_logged_model(model.model_id, "FAILED")
            raise
        self._client.finalize_logged_model(model.model_id, "READY")
        if self._config.register_as is not None:
            register_model(self._client, model.model_id, self._id, self._config.register_as)

    def _upload_model(self, model: "LoggedModel", save: SaveModel) -> None:
        from mlflow.models import Model

        description = Model(
            artifact_path=model.artifact_location,
            run_id=self._id,
            model_uuid=model.model_id,
            model_id=model.model_id,
        )
        with TemporaryDirectory() as parent:
            folder = f"{parent}/model"
            save(folder, description)
            self._client.log_model_artifacts(model.model_id, folder)

    def url(self) -> str | None:
        """Return the address of the run's page on its server, or where `mnistexp ui` shows it."""
        return run_url(tracking_uri(self._config.uri), self._experiment_id, self._id)

    def end(self, status: str) -> None:
        """Send the buffered metrics and close the run as FINISHED, FAILED or KILLED."""
        self.flush()
        self._client.set_terminated(self._id, status)
