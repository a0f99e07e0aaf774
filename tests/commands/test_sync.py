"""`mnistexp sync`: a run that was recorded offline and sent equals one that was logged directly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from support import FEW_STEPS, Command, run_command

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.diagnostics.store import check_unsent
from mnistexp.tracking.journal import find_journals, read_records

ARGUMENTS = [
    *("model=softmax", "optim=sgd", *FEW_STEPS, "train.log_every=1", "dashboard=record"),
    *("tracking.tags={purpose: testing}", "tracking.register=digits"),
]
DIFFERENT = ("seconds", "images_per_second", "memory", "process", "command", "folder")
"""Parts of the names of metrics and tags that differ between equal runs."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Two working folders: a run that was logged directly, and one that was recorded and sent."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, settings in (("direct", []), ("offline", ["tracking.offline=true"])):
            found[name] = tmp_path_factory.mktemp(name)
            patch.chdir(found[name])
            assert run_command(*ARGUMENTS, *settings) == 0
        assert len(find_journals(Path("runs"))) == 1
        assert not Path("mlflow.db").exists()
        assert run_command("sync") == 0
        assert find_journals(Path("runs")) == []
    return found


def is_sweep(journal: Path) -> bool:
    return "sweep_hash" in read_records(journal).records[0]["tags"]


def client_of(folder: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")


def only_run(folder: Path) -> Run:
    client = client_of(folder)
    experiment = client.get_experiment_by_name("mnistexp")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def comparable(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not any(part in k for part in DIFFERENT)}


def artifacts(folder: Path) -> dict[str, bytes]:
    """The content of each artifact of the run, by its path."""
    path = Path(
        mlflow.artifacts.download_artifacts(
            run_id=only_run(folder).info.run_id,
            tracking_uri=client_of(folder).tracking_uri,
        )
    )
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def test_it_has_the_same_name_status_settings_and_tags(folders: Mapping[str, Path]) -> None:
    direct, sent = only_run(folders["direct"]), only_run(folders["offline"])
    assert sent.info.status == direct.info.status == "FINISHED"
    assert sent.info.run_name == direct.info.run_name
    assert {**sent.data.params, "tracking.offline": "False"} == direct.data.params
    tags, expected = comparable(sent.data.tags), comparable(direct.data.tags)
    own = ("journal", "recording", "checkpoints", "mlflow.note.content", "mlflow.source.name")
    assert {k: v for k, v in tags.items() if k not in own} == {
        k: v for k, v in expected.items() if k not in own
    }
    assert set(tags) - {"journal"} == set(expected) - {"journal"}
    assert "test accuracy" in tags["mlflow.note.content"]


def test_it_has_every_value_of_every_metric_with_its_step(folders: Mapping[str, Path]) -> None:
    histories = {}
    for name, folder in folders.items():
        client, run = client_of(folder), only_run(folder)
        histories[name] = {
            metric: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, metric)]
            for metric in run.data.metrics
        }
    assert comparable(histories["offline"]) == comparable(histories["direct"])
    assert set(histories["offline"]) == set(histories["direct"])
    assert len(histories["offline"]["train_loss"]) == 20


def test_its_times_are_those_of_the_training_not_of_the_sending(
    folders: Mapping[str, Path],
) -> None:
    client, run = client_of(folders["offline"]), only_run(folders["offline"])
    history = client.get_metric_history(run.info.run_id, "train_loss")
    times = [metric.timestamp for metric in history]
    assert run.info.start_time <= min(times) <= max(times) <= run.info.end_time
    database = folders["offline"] / "mlflow.db"
    assert run.info.end_time / 1000 < database.stat().st_mtime


def test_it_has_the_same_artifacts_and_data_set(folders: Mapping[str, Path]) -> None:
    direct, sent = artifacts(folders["direct"]), artifacts(folders["offline"])
    assert set(sent) == set(direct)
    assert {"config.yaml", "figures/learning_curves.png", "dashboard/training.recording"} <= set(
        sent
    )
    for name in ("environment.json", "model_summary.txt"):
        assert sent[name] == direct[name]
    datasets = [only_run(folder).inputs.dataset_inputs[0].dataset for folder in folders.values()]
    assert datasets[0] == datasets[1]


def test_its_model_is_registered_and_predicts_the_same(folders: Mapping[str, Path]) -> None:
    config, _ = compose_config(ARGUMENTS)
    images = load_data(config.data).test.images[:100]
    predictions = []
    for folder in folders.values():
        uri = client_of(folder).tracking_uri
        mlflow.set_tracking_uri(uri)
        (output,) = only_run(folder).outputs.model_outputs
        version = client_of(folder).get_model_version("digits", "1")
        assert version.source == f"models:/{output.model_id}"
        assert version.run_id == only_run(folder).info.run_id
        model = mlflow.pyfunc.load_model("models:/digits/1")
        assert model.metadata.run_id == only_run(folder).info.run_id
        assert model.metadata.model_id == output.model_id
        predictions.append(model.predict(images))
    np.testing.assert_array_equal(*predictions)


def test_a_command_says_that_runs_are_not_sent_and_sync_says_why(
    mnistexp: Command, tmp_path: Path
) -> None:
    address = "tracking.uri=http://127.0.0.1:9"
    untold = mnistexp(*ARGUMENTS[:4], "train.steps=2", "tracking.offline=true", address)
    assert untold.exit_code == 0
    assert "mnistexp sync sends it" in untold.out.splitlines()[-1]
    note = mnistexp("list").err.splitlines()[0]
    assert note.startswith(
        "note: 1 run is not in the store yet: mnistexp sync sends the runs that are recorded "
    )
    (check,) = check_unsent()
    assert (check.status, check.message) == ("note", note.removeprefix("note: "))
    result = mnistexp("sync")
    assert result.exit_code == 1
    assert "not sent: tracking.uri: no answer from the MLflow server" in result.out
    result = mnistexp("sync", "--uri", f"sqlite:///{tmp_path}/other.db")
    assert (result.exit_code, result.out.splitlines()[-1]) == (0, "1 run sent, 0 not sent")
    assert mnistexp("sync").out == "0 runs sent, 0 not sent\n"


def test_the_runs_of_an_offline_sweep_are_sent_as_its_children(
    mnistexp: Command, tmp_path: Path
) -> None:
    settings = ["tracking.offline=true", "tracking.figures=false", "tracking.log_model=false"]
    swept = mnistexp("-m", "model=softmax", *FEW_STEPS, "seed=0,1", *settings)
    assert swept.exit_code == 0, swept.out + swept.err
    # Folders have random names. Here, those of the jobs come before that of the sweep.
    (journal,) = [folder for folder in find_journals(Path("runs")) if is_sweep(folder)]
    journal.parent.rename(journal.parent.with_name("z"))
    assert mnistexp("sync").exit_code == 0
    client = client_of(tmp_path)
    experiment = client.get_experiment_by_name("mnistexp")
    (sweep,) = client.search_runs([experiment.experiment_id], "tags.kind = 'sweep'")
    where = f"tags.mlflow.parentRunId = '{sweep.info.run_id}'"
    children = client.search_runs([experiment.experiment_id], where)
    assert {run.data.params["seed"] for run in children} == {"0", "1"}


def test_a_folder_that_does_not_exist_is_refused(mnistexp: Command) -> None:
    result = mnistexp("sync", "nowhere")
    assert (result.exit_code, result.err) == (
        2,
        "error: nowhere: expected the folder of a run. Received: no folder\n",
    )
