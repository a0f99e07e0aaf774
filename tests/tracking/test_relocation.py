"""A store whose folder was moved or copied."""

import json
import re
import shutil
from pathlib import Path

import pytest
from support import QUICK, Command, start_command

from mnistexp.tracking import MlflowTracking, RunStore
from mnistexp.tracking.relocation import current_location


def test_a_recorded_path_is_found_beside_the_database(tmp_path: Path) -> None:
    database = tmp_path / "my folder" / "mlflow.db"
    (tmp_path / "my folder" / "mlruns" / "1").mkdir(parents=True)
    here = database.parent / "mlruns" / "1"
    assert current_location("/old/mlruns/1", database) == str(here)
    assert current_location("file:///old%20one/mlruns/1", database) == here.as_uri()
    for kept in (str(here), "/old/mlruns/2", "/old/else/1", "s3://bucket/mlruns/1"):
        assert current_location(kept, database) == kept
    assert current_location("/old/mlruns/1", None) == "/old/mlruns/1"


def test_a_linked_folder_is_no_moved_one(tmp_path: Path) -> None:
    (tmp_path / "real" / "mlruns" / "1").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    recorded = str(tmp_path / "real" / "mlruns" / "1")
    assert current_location(recorded, tmp_path / "link" / "mlflow.db") == recorded


def test_everything_works_in_a_folder_that_was_moved(
    mnistexp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new name"
    old.mkdir()
    monkeypatch.chdir(old)
    small = ["data.train_size=2000", "train.steps=20", "tracking.run_name=first"]
    # In a process of its own: MLflow remembers the artifact folder of each run of this process.
    process = start_command(old, *small, "dashboard=record", "tracking.register=digits")
    process.communicate(timeout=120)
    assert process.returncode == 0
    monkeypatch.chdir(tmp_path)
    old.rename(new)
    monkeypatch.chdir(new)

    def run(*arguments: str) -> str:
        result = mnistexp(*arguments)
        assert result.exit_code == 0, result.err
        return result.out

    assert json.loads(run("evaluate", "digits/1", "--log", "--json"))["accuracy"] > 0.5
    run("watch", "first", "--save", "a.png")
    run("report", "first", "-o", "report.html")
    assert "data:image/png" in (new / "report.html").read_text()
    run("promote", "first", "--name", "digits", "--alias", "champion")
    run(*QUICK, "tracking.run_name=second")
    store = RunStore(MlflowTracking(type="mlflow"))
    for record in store.runs():
        assert Path(store.client.get_run(record.run_id).info.artifact_uri).is_relative_to(new)
    assert json.loads(run("evaluate", "second", "--json"))["accuracy"] > 0.5
    assert not re.search("^problem +artifacts", mnistexp("doctor").out, re.MULTILINE)
    assert not old.exists()


def test_a_copy_neither_reads_nor_writes_the_original(
    store_with_models: RunStore, mnistexp: Command, tmp_path: Path
) -> None:
    original = Path(store_with_models.uri.removeprefix("sqlite:///")).parent
    files = sorted(original.rglob("*"))
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    store = RunStore(MlflowTracking(type="mlflow"))
    good = next(run for run in store.runs() if run.name == "good")
    recorded = store.client.get_run(good.run_id).info.artifact_uri
    assert Path(store.current_location(recorded)).is_relative_to(tmp_path)
    assert mnistexp("evaluate", "good").exit_code == 0
    assert mnistexp(*QUICK).exit_code == 0
    assert Path(store.artifact_location(store.runs()[-1].run_id)).is_relative_to(tmp_path)
    assert sorted(original.rglob("*")) == files
