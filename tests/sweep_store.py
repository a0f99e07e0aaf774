"""Helpers of the tests of sweeps: store and study of a folder, and jobs that are only composed."""

from dataclasses import dataclass
from pathlib import Path

import mlflow
import optuna
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mnistexp.config.compose import compose_config
from mnistexp.sweeps.jobs import Job

DIVERGING = ["model=two_layers", "optim.learning_rate=1e30", "+expect={diverges: true}"]
"""An experiment whose training is expected to diverge."""


@dataclass(frozen=True)
class Store:
    """The store of a working folder, read with MLflow's own client."""

    folder: Path

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def runs(self, where: str = "") -> list[Run]:
        return list(self.client.search_runs(["1"], where, order_by=["attributes.start_time ASC"]))

    @property
    def sweeps(self) -> list[Run]:
        return self.runs("tags.kind = 'sweep'")

    def sweep(self) -> Run:
        (sweep,) = self.sweeps
        return sweep

    def children(self, sweep: Run | None = None) -> list[Run]:
        parent = sweep or self.sweep()
        return self.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")

    def text(self, run: Run, path: str) -> str:
        return (Path(run.info.artifact_uri.removeprefix("file://")) / path).read_text()

    def artifacts(self, run: Run, path: str = "") -> set[str]:
        return {file.path for file in self.client.list_artifacts(run.info.run_id, path)}


@dataclass(frozen=True)
class FinishedGrid:
    """A grid of two models, two learning rates and two seeds, after it was run once."""

    arguments: list[str]
    store: Store
    output: str


def read_files(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder: databases, artifacts and studies."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def make_job(*overrides: str) -> Job:
    """Compose a job from overrides of the command line."""
    config, source = compose_config(list(overrides))
    return Job(overrides, config, source, data_digest="0")


def study_in(folder: Path) -> optuna.Study:
    """Load the only study of a folder with Optuna itself."""
    storage = JournalStorage(JournalFileBackend(str(folder / "studies.log")))
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage)


def states_of(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]
