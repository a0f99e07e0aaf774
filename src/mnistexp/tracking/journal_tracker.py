"""The tracker that writes a run into its journal. It never imports MLflow."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistexp.errors import StoreError
from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.journal import JournalWriter
from mnistexp.tracking.metric_names import stored_name
from mnistexp.tracking.sender_messages import SendReport
from mnistexp.tracking.store import DESCRIPTION_TAG, redact_password, run_url, tracking_uri
from mnistexp.tracking.tracker import SaveModel, StoreFigures, Tracker
from mnistexp.tracking.tracking_process import TrackingProcess

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_PARAM_LENGTH = 6_000
MAX_TAG_LENGTH = 8_000
JOURNAL_REFERENCE = "journal:"
"""Begins the reference to a run whose id in MLflow is not known yet; its journal's id follows."""


class JournalTracker(Tracker):
    """Writes records of a run to its journal.

    Attributes:
        folder: of the journal.
    """

    def __init__(
        self,
        folder: Path,
        config: MlflowTracking,
        name: str,
        tags: Mapping[str, str],
        resume: str | None = None,
        process: TrackingProcess | None = None,
    ) -> None:
        """Create the journal, and let the tracking process send it.

        Args:
            folder: of the journal; it does not exist yet.
            tags: all tags of the new run.
            resume: the id of a run in MLflow to continue, instead of a new one.
            process: sends the journal while it grows. None: nothing sends it now.

        Raises:
            OSError: the journal cannot be written.
        """
        super().__init__()
        self._writer = JournalWriter(folder)
        self.folder = self._writer.folder
        self._id = os.urandom(16).hex()
        self._config = config
        self._description = ""
        self._writer.append(
            "start",
            id=self._id,
            uri=redact_password(tracking_uri(config.uri)),
            experiment=config.experiment,
            name=name,
            tags=_to_texts(tags, MAX_TAG_LENGTH),
            resume=resume,
        )
        if resume is not None:
            # Its tags still have the reason of its earlier end, and its earlier process.
            self._writer.append("resume", tags={"reason": "", **tags})
        self._process = process
        if process is not None:
            process.send(self.folder, config)

    @property
    def report(self) -> SendReport:
        """What the tracking process has reported about this run."""
        if self._process is None:
            return SendReport(str(self.folder))
        return self._process.report(self.folder)

    @property
    def run_id(self) -> str | None:
        """The id of the run in MLflow; None while it is not known."""
        return self.report.run_id

    def url(self) -> str | None:
        """Return the address of the run's page on its server, or where `mnistexp ui` shows it."""
        report = self.report
        if report.run_id is None or report.experiment_id is None:
            return None
        return run_url(tracking_uri(self._config.uri), report.experiment_id, report.run_id)

    @property
    def reference(self) -> str:
        """The id of the run in MLflow, or a reference to its journal."""
        return self.run_id or f"{JOURNAL_REFERENCE}{self._id}"

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings; values of more than 6,000 characters are cut."""
        values = _to_texts(params, MAX_PARAM_LENGTH)
        self._writer.append("params", values=values)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record values measured after `step` steps."""
        values = {stored_name(name): float(value) for name, value in metrics.items()}
        self._writer.append("metrics", values=values, step=step)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags, by which runs can be filtered."""
        values = _to_texts(tags, MAX_TAG_LENGTH)
        self._writer.append("tags", values=values)

    def describe(self, markdown: str) -> None:
        """Describe the run on its page, unless the settings have a description."""
        self._description = self._config.description or markdown
        self.set_tags({DESCRIPTION_TAG: self._description})

    def describe_end(self, status: str, reason: str) -> None:
        """Put the status and the reason of an early end before the description of the run."""
        text = f"**{status.capitalize()}:** {reason}\n\n{self._description}"
        self.set_tags({DESCRIPTION_TAG: text})

    def log_text(self, text: str, path: str) -> None:
        """Record a text as the artifact `path`."""
        file, name = self._writer.new_file(Path(path).name)
        file.write_text(redact_password(text))
        self._writer.append("artifact", file=name, path=path)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Record a figure as the artifact `path`."""
        file, name = self._writer.new_file(Path(path).name)
        figure.savefig(file)
        self._writer.append("artifact", file=name, path=path)

    def log_figures(self, store: StoreFigures) -> None:
        """Record what the figures show. Who sends the journal draws them as `figures/NAME.png`."""
        if not self._config.figures:
            return
        file, name = self._writer.new_file("figures.npz")
        store(file)
        self._writer.append("figures", file=name)
        if self._process is not None:  # It draws while this process saves the model.
            self._process.send_now(self.folder, self._config)

    def log_artifact(self, file: Path, folder: str) -> None:
        """Record a copy of a file as an artifact in `folder`."""
        copy, name = self._writer.new_file(file.name)
        shutil.copyfile(file, copy)
        self._writer.append("artifact", file=name, path=f"{folder}/{file.name}")

    def log_dataset(self, name: str, digest: str, profile: Mapping[str, int]) -> None:
        """Record which data was used. profile: the number of images of each split."""
        self._writer.append("dataset", name=name, digest=digest, profile=dict(profile))

    def log_model(self, save: SaveModel) -> None:
        """Record the model that `save` writes, unless `log_model` is false."""
        if not self._config.log_model:
            return
        folder, name = self._writer.new_file("model")
        description = asdict(save(folder))
        register = self._config.register_as
        self._writer.append("model", folder=name, description=description, register=register)

    def wait_until_sent(self) -> bool:
        """Wait until the ended runs of this process are in the store; return whether they are."""
        return self._process is not None and not self._process.wait_until_sent()

    def end(self, status: str) -> None:
        """Record the end of the run as FINISHED, FAILED or KILLED, and close the journal.

        Raises:
            StoreError: records could not be written, because the disk is full for example.
        """
        self._writer.append("end", status=status)
        try:
            self._writer.close()
        except OSError as error:
            raise StoreError(
                f"tracking: {self.folder}: expected space for the last records of the run. "
                f"Received: {error.strerror}. What was written before can be sent: mnistexp sync"
            ) from error
        finally:
            if self._process is not None:
                self._process.end(self.folder, self._config)


def _to_texts(values: Mapping[str, Any], max_length: int) -> dict[str, str]:
    """Return values as texts, cut, and without the password of a tracking address."""
    return {name: redact_password(str(value))[:max_length] for name, value in values.items()}
