"""The runs and models that are selected by the names that users type."""

from pathlib import Path

import mlflow
import pytest

from mnistexp.dashboard.recording import RECORDING_TAG
from mnistexp.errors import InputError, TrackingError
from mnistexp.runs.run_selection import (
    select_model,
    select_or_last_sweep,
    select_recorded_run,
    select_run,
    select_runs,
)
from mnistexp.tracking import MlflowTracking, RunStore
from mnistexp.tracking.mlflow_private import list_run_names


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Runs of two experiments, two runs of one name, and a sweep of two jobs."""
    folder = tmp_path_factory.mktemp("selection")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("mnistexp", artifact_location=f"file://{folder}/mlruns")

    def add(name: str, accuracy: float, parent: str = "", **params: str) -> str:
        tags = {"mlflow.parentRunId": parent} if parent else {}
        run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
        for key, value in params.items():
            client.log_param(run, key, value)
        client.log_metric(run, "val_accuracy", accuracy)
        client.set_terminated(run)
        return str(run)

    add("lab.3_0_conv-s0", 0.98, lab="3_0_conv", seed="0")
    add("lab.3_0_conv-s1", 0.99, lab="3_0_conv", seed="1")
    add("lab.1_0_softmax-s0", 0.91, lab="1_0_softmax", seed="0")
    add("same-s0", 0.5)
    add("same-s0", 0.6)
    sweep = client.create_run(experiment, run_name="sweep-model", tags={"kind": "sweep"})
    client.set_terminated(sweep.info.run_id)
    for name in ("a-s0", "b-s0"):
        add(name, 0.7, parent=sweep.info.run_id)
    return RunStore(MlflowTracking(type="mlflow", uri=uri))


def names(store: RunStore, *typed: str, where: str = "") -> list[str]:
    return [run.name for run in select_runs(store, typed, where)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("lab.3_0_conv-s1", ["lab.3_0_conv-s1"]),
        ("lab.3_0_conv", ["lab.3_0_conv-s0", "lab.3_0_conv-s1"]),
        ("lab=3_0_conv", ["lab.3_0_conv-s0", "lab.3_0_conv-s1"]),
        ("3_0_conv", ["lab.3_0_conv-s0", "lab.3_0_conv-s1"]),
        ("lab", ["lab.1_0_softmax-s0", "lab.3_0_conv-s0", "lab.3_0_conv-s1"]),
        ("sweep-model", ["a-s0", "b-s0"]),
        ("best", ["lab.3_0_conv-s1"]),
        ("seed=0", ["lab.1_0_softmax-s0"]),
    ],
)
def test_a_name_selects_its_runs(store: RunStore, typed: str, expected: list[str]) -> None:
    assert names(store, typed) == expected


def test_an_id_and_its_first_characters_stand_for_its_run(store: RunStore) -> None:
    run = store.runs()[0]
    assert select_run(store, run.run_id) == run
    assert select_run(store, run.run_id[:12]) == run


def test_the_newest_run_of_a_name_is_used_and_stderr_says_so(
    store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = [run for run in store.runs() if run.name == "same-s0"][-1]
    assert select_run(store, "same-s0") == newest
    assert select_runs(store, ["same-s0"]) == [newest]
    assert f"same-s0: 2 runs; the newest is {newest.run_id}" in capsys.readouterr().err


def test_runs_that_must_have_finished_are_preferred_to_newer_failed_ones(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("mnistexp", artifact_location=f"file://{tmp_path}/mlruns")
    statuses = [("net-s0", "FINISHED"), ("net-s1", "FINISHED"), ("net-s1", "FAILED")]
    for name, status in (*statuses, ("nety-s0", "FAILED")):
        run = client.create_run(experiment, run_name=name)
        client.set_terminated(run.info.run_id, status)
    store = RunStore(MlflowTracking(type="mlflow", uri=uri))
    newest = select_runs(store, ["net", "net-s1"])
    assert [run.status for run in newest] == ["FINISHED", "FAILED"]
    finished = select_runs(store, ["net", "net-s1"], prefer_finished=True)
    assert [(run.name, run.status) for run in finished] == statuses[:2]
    with pytest.raises(InputError, match=r"Did you mean net, net-s1 or net-s0\?"):
        select_runs(store, ["netz"], prefer_finished=True)


def test_names_stand_for_runs_that_pass_the_filter(store: RunStore) -> None:
    assert names(store, "best", where="val_accuracy < 0.95") == ["lab.1_0_softmax-s0"]
    assert names(store, "lab", where="seed = 1") == ["lab.3_0_conv-s1"]


def test_without_a_name_the_last_sweep_is_selected(store: RunStore) -> None:
    runs, title = select_or_last_sweep(store, [])
    assert [run.name for run in runs] == ["a-s0", "b-s0"]
    assert title.startswith("the last sweep: sweep-model, ")


@pytest.mark.parametrize("typed", ["lab", "sweep-model"])
def test_a_sweep_or_a_group_is_not_one_run(store: RunStore, typed: str) -> None:
    with pytest.raises(InputError, match=f"{typed}: expected one run. Received: .*Name one of"):
        select_run(store, typed)


def test_an_unknown_name_is_reported_with_the_nearest_names(store: RunStore) -> None:
    with pytest.raises(InputError, match=r"expected the id or the name.*Did you mean .*3_0_conv"):
        select_run(store, "lab=3_0_cnv")


@pytest.mark.parametrize("typed", ["lab=2_2_five_layers_dropout", "2_2_five_layers_dropout"])
def test_an_experiment_without_a_run_is_answered_with_its_command(
    store: RunStore, typed: str
) -> None:
    message = "with a run. Received: none yet. Run it with mnistexp lab=2_2_five_layers_dropout"
    with pytest.raises(InputError, match=message):
        select_run(store, typed)


def test_a_group_without_a_run_is_answered_with_the_command_that_runs_it(store: RunStore) -> None:
    message = "with a run. Received: none yet. Run them all with mnistexp verify notebook$"
    with pytest.raises(InputError, match=message):
        select_runs(store, ["notebook"])


def test_the_newest_run_is_not_said_to_have_what_no_run_has(
    store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    select_recorded_run(store, "same-s0")
    message = capsys.readouterr().err
    assert "runs; the newest is " in message
    assert "recording" not in message


def test_a_model_is_selected_by_the_name_or_the_id_of_its_run(store_with_models: RunStore) -> None:
    by_name = select_model(store_with_models, "good")
    assert by_name.run_name == "good"
    assert select_model(store_with_models, by_name.run_id) == by_name
    assert select_model(store_with_models, by_name.run_id[:8]) == by_name


def test_the_best_model_has_the_highest_validation_accuracy_of_the_runs_with_a_model(
    store_with_models: RunStore,
) -> None:
    with_model = [run for run in store_with_models.runs() if run.name != "bare"]
    best = max(with_model, key=lambda run: run.metrics["val_accuracy"])
    assert select_model(store_with_models, "best").run_id == best.run_id
    assert select_model(store_with_models, "best", "optim.learning_rate < 1e-5").run_name == "bad"
    assert select_model(store_with_models, "best", "model = random_forest").run_name == "forest"


def test_a_registered_model_is_selected_by_version_or_alias(store_with_models: RunStore) -> None:
    assert select_model(store_with_models, "digits/1").run_name == "bad"
    assert select_model(store_with_models, "digits/2").run_name == "good"
    client = mlflow.MlflowClient(store_with_models.uri)
    client.set_registered_model_alias("digits", "oldest", "1")
    assert select_model(store_with_models, "digits@oldest").run_name == "bad"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("goood", "Did you mean good"),
        ("f", "Did you mean forest"),  # The beginning of a name.
        ("0" * 32, "expected the id or the name"),
        ("bare", "expected a run with a model"),
        ("digits/9", "digits/9: expected one of .*digits/1, digits/2"),
        ("digits@nobody", "digits@nobody: expected one of .*digits/1"),
        ("letters@champion", "expected a registered model, one of digits"),
        ("it's/1", "expected a registered model"),
    ],
)
def test_a_name_that_stands_for_no_model_is_rejected_in_one_line(
    typed: str, message: str, store_with_models: RunStore
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        select_model(store_with_models, typed)
    assert "\n" not in str(caught.value)


def test_selecting_a_model_creates_no_store(tmp_path: Path) -> None:
    store = RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/none.db"))
    with pytest.raises(TrackingError, match="expected a store with runs"):
        select_model(store, "best")
    assert not list(tmp_path.iterdir())


def test_completion_lists_run_names_newest_first(store: RunStore) -> None:
    file = Path(store.uri.removeprefix("sqlite:///"))
    listed = [name for name, _ in list_run_names(file, "mnistexp")]
    assert sorted(listed) == sorted(run.name for run in store.runs())
    assert listed[-1] == "lab.3_0_conv-s0"


def test_completion_of_a_store_that_does_not_exist_creates_none(tmp_path: Path) -> None:
    assert list_run_names(tmp_path / "mlflow.db", "mnistexp") == []
    assert list(tmp_path.iterdir()) == []


def store_with_data_sets(folder: Path, *data: str) -> RunStore:
    """A store with a finished run on each data set; the accuracies rise."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("mnistexp", artifact_location=f"file://{folder}/mlruns")
    for number, name in enumerate(data):
        run = client.create_run(experiment, run_name=f"on-{name}").info.run_id
        client.log_param(run, "data.name", name)
        client.log_metric(run, "val_accuracy", 0.5 + number / 10)
        client.set_terminated(run)
    return RunStore(MlflowTracking(type="mlflow", uri=uri))


def test_best_is_the_best_on_the_default_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_with_data_sets(tmp_path, "mnist", "fashion_mnist")
    assert select_run(store, "best").name == "on-mnist"
    assert "for other data use --where data.name=fashion_mnist" in capsys.readouterr().err
    assert select_run(store, "best", "data.name=fashion_mnist").name == "on-fashion_mnist"


def test_best_of_several_other_data_sets_asks_for_one(tmp_path: Path) -> None:
    store = store_with_data_sets(tmp_path, "lines", "fashion_mnist")
    with pytest.raises(InputError, match=r"one data set, --where data\.name=lines or --where"):
        select_run(store, "best")


def test_the_best_recorded_run_is_not_taken_silently_for_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_with_data_sets(tmp_path, "mnist", "mnist")
    worse, _ = store.runs()
    mlflow.MlflowClient(store.uri).set_tag(worse.run_id, RECORDING_TAG, "training.recording")
    store = RunStore(MlflowTracking(type="mlflow", uri=store.uri))
    assert select_recorded_run(store, "best").run_id == worse.run_id
    line = "best: on-mnist has no recording; the best run with a recording is on-mnist, "
    assert capsys.readouterr().err == f"{line}{worse.run_id}\n"
