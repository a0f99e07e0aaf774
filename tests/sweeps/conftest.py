"""Fixtures for sweeps."""

import shutil
from pathlib import Path

import mlflow
import pytest
from support import QUICK, run_command
from sweep_store import FinishedGrid, Store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables. MLflow takes seconds to create them."""
    file = tmp_path_factory.mktemp("empty_database") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Store:
    """The store of the working folder, without runs."""
    shutil.copy(empty_database, tmp_path)
    return Store(tmp_path)


@pytest.fixture(scope="session")
def finished_grid(tmp_path_factory: pytest.TempPathFactory) -> FinishedGrid:
    folder = tmp_path_factory.mktemp("finished_grid")
    arguments = ["-m", "model=softmax,two_layers", "optim.learning_rate=0.1,0.2", "seed=0,1"]
    arguments += [*QUICK, "tracking.log_model=false"]
    output = folder / "output.txt"
    with pytest.MonkeyPatch.context() as patch, output.open("w") as stream:
        patch.chdir(folder)
        patch.setattr("sys.stdout", stream)
        assert run_command(*arguments) == 0
    return FinishedGrid(arguments, Store(folder), output.read_text())
