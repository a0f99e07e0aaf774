"""`mnistexp rerun`: a run is trained again from its logged config, and compared."""

import json
import shlex
import shutil
import sqlite3
from pathlib import Path

import mlflow
import pytest
from support import QUICK, Command, TrackedRun, write_option

from mnistexp.config.config_hash import config_hash
from mnistexp.device import DeviceConfig, num_threads
from mnistexp.runs.logged_config import with_recorded_threads
from mnistexp.runs.run_selection import select_run
from mnistexp.tracking import MlflowTracking, RunRecord, RunStore
from mnistexp.tracking.relocation import local_path
from mnistexp.tracking.store import client_for_writing
from mnistexp.verification.recorded_command import command_of_run
from mnistexp.verification.rerun import (
    compare_circumstances,
    read_logged_config,
)

TINY = (
    "layers: {{flatten: {{type: flatten}}, logits: {{type: dense, units: 10, use_bias: {bias}}}}}\n"
)


@pytest.fixture
def store(store_with_models: RunStore, tmp_path: Path) -> RunStore:
    """A copy of the store with `good` and `forest`, in another folder than the working one."""
    folder = Path(store_with_models.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(folder, tmp_path / "other")
    return RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/other/mlflow.db"))


def writing_client(store: RunStore) -> mlflow.MlflowClient:
    """A client that can change the runs of a store."""
    return client_for_writing(store.uri)


def artifact_file(store: RunStore, run: RunRecord, name: str) -> Path:
    """The file of an artifact. MLflow's client would write to the store that was copied."""
    return local_path(store.artifact_location(run.run_id)) / name


@pytest.mark.parametrize("name", ["good", "forest"])
def test_a_run_of_the_store_of_another_folder_is_identical(
    mnistexp: Command, store: RunStore, name: str, tmp_path: Path
) -> None:
    result = mnistexp("rerun", name, "--uri", store.uri, "--json")
    assert result.exit_code == 0, result.err
    compared = json.loads(result.out)
    assert compared["identical"]
    assert compared["results"] == []
    assert compared["num_values"] > 3
    assert not (tmp_path / "mlflow.db").exists()
    assert len(store.runs()) == 4
    assert f"\n{name}: starting …" in f"\n{result.err}"


def test_the_weights_and_the_metrics_that_differ_are_named(
    mnistexp: Command, store: RunStore
) -> None:
    run = select_run(store, "good")
    client = writing_client(store)
    client.set_tag(run.run_id, "weights_sha256", "0" * 64)
    client.log_metric(run.run_id, "train_loss", 1.5, step=10)
    result = mnistexp("rerun", "good", "--uri", store.uri)
    assert result.exit_code == 1
    assert "different from good" in result.out
    assert "weights_sha256: 000000000000 → " in result.out
    assert "train_loss at step 10: 1.5 → " in result.out
    assert "val_accuracy" not in result.out


def test_another_seed_has_other_weights_and_another_config_hash(
    mnistexp: Command, store: RunStore
) -> None:
    run = select_run(store, "good")
    file = artifact_file(store, run, "config.yaml")
    file.write_text(file.read_text().replace("seed: 0", "seed: 1"))
    result = mnistexp("rerun", "good", "--uri", store.uri)
    assert result.exit_code == 1
    for name in ("weights_sha256", "val_loss", "train_loss", "config_hash"):
        assert name in result.out


def test_what_may_be_the_reason_is_named_before_the_training(store: RunStore) -> None:
    run = select_run(store, "good")
    recorded = artifact_file(store, run, "environment.json")
    environment = json.loads(recorded.read_text())
    environment["packages"]["keras"] = "3.0.0"
    environment["code"] = "0123456"
    recorded.write_text(json.dumps(environment))
    file = store.uri.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE datasets SET dataset_source = ?", ['{"sha256": "abc"}'])
    changed = RunStore(store.config)
    differences = compare_circumstances(changed, run, read_logged_config(changed, run))
    found = {difference.name: difference.recorded for difference in differences}
    assert found["keras"] == "3.0.0"
    assert found["data"] == "abc"
    assert found["code"] == "0123456"
    assert set(found) <= {"keras", "data", "code"}


def test_a_run_does_not_depend_on_the_option_files_of_today(
    mnistexp: Command, tmp_path: Path
) -> None:
    write_option(tmp_path, "model/mine", TINY.format(bias="false"))
    assert mnistexp("model=mine", "optim=sgd", *QUICK).exit_code == 0
    store = RunStore(MlflowTracking(type="mlflow"))
    (first,) = store.runs()
    write_option(tmp_path, "model/mine", TINY.format(bias="true"))
    result = mnistexp("rerun", first.name)
    assert result.exit_code == 0, result.err
    assert result.out.startswith("identical: the weights and ")

    command = mnistexp("rerun", first.name, "--print").out
    assert "model.layers.logits.use_bias=false" in command
    mnistexp(*shlex.split(command)[1:])
    second = store.runs()[-1]
    assert second.run_id != first.run_id
    for tag in ("config_hash", "weights_sha256"):
        assert second.tags[tag] == first.tags[tag]

    (tmp_path / "conf" / "model" / "mine.yaml").unlink()
    result = mnistexp("rerun", first.name, "--print")
    assert result.exit_code == 2
    assert f"mnistexp rerun {first.run_id}" in result.err


def test_the_recorded_command_is_printed_where_its_files_are_unchanged(
    mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    store = RunStore(
        MlflowTracking(type="mlflow", uri=f"sqlite:///{two_layers_run.folder}/mlflow.db")
    )
    run = store.run(two_layers_run.run.info.run_id)
    assert run is not None
    config = read_logged_config(store, run)
    assert config_hash(config, "") == config_hash(two_layers_run.result.config, "")
    assert command_of_run(run, config) == run.tags["mlflow.source.name"]
    assert mnistexp("rerun", run.run_id, "--uri", store.uri, "--print").out.startswith("mnistexp ")


def test_a_run_that_did_not_finish_has_no_result_to_compare(
    mnistexp: Command, store: RunStore
) -> None:
    run = select_run(store, "bare")
    writing_client(store).set_terminated(run.run_id, "KILLED")
    result = mnistexp("rerun", "bare", "--uri", store.uri)
    assert result.exit_code == 2
    assert "expected a finished run" in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_the_recorded_number_of_threads_is_used_unless_the_config_has_one(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = select_run(store, "good")
    config = read_logged_config(store, run)
    assert run.tags["threads"] == str(num_threads(config.device))
    assert with_recorded_threads(config, run) == config
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert num_threads(config.device) == 7
    recorded = int(run.tags["threads"])
    assert with_recorded_threads(config, run).device.threads == recorded
    fixed = config.model_copy(update={"device": DeviceConfig(type="cpu", threads=3)})
    assert with_recorded_threads(fixed, run) == fixed
    assert num_threads(fixed.device) == 3


def test_a_run_of_an_earlier_version_has_no_threads(store: RunStore) -> None:
    run = select_run(store, "good")
    tags = {name: text for name, text in run.tags.items() if name != "threads"}
    earlier = RunRecord(**{**vars(run), "tags": tags})
    config = read_logged_config(store, run)
    assert with_recorded_threads(config, earlier) == config
