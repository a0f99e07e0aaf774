"""Runs and their histories as tables, against MLflow's own client."""

from pathlib import Path

import mlflow
import pandas as pd
import pytest
from support import QUICK, Command

import mnistexp
from mnistexp.errors import ConfigError, InputError, TrackingError
from mnistexp.tracking.metric_names import metric_name, stored_name


@pytest.fixture(autouse=True)
def in_the_store_folder(store_with_sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store_with_sweep)


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")


def test_there_is_a_row_for_each_run_with_its_settings_and_metrics() -> None:
    runs = mnistexp.load_runs(columns="all", include_sweeps=True)
    logged = {run.info.run_id: run for run in client().search_runs(["1"])}
    assert set(runs["run_id"]) == set(logged)
    assert runs["started"].is_monotonic_increasing
    for _, row in runs.iterrows():
        run = logged[row["run_id"]]
        assert (row["name"], row["status"]) == (run.info.run_name, run.info.status)
        for metric, value in run.data.metrics.items():
            assert row[metric_name(metric)] == value
    sweep = runs[runs["tags.kind"] == "sweep"].iloc[-1]
    assert (runs["parent"] == sweep["run_id"]).sum() == 6
    assert set(mnistexp.load_runs()["run_id"]) == set(runs["run_id"][runs["tags.kind"] != "sweep"])


def test_whole_numbers_stay_whole() -> None:
    types = mnistexp.load_runs().dtypes
    assert [str(types[name]) for name in ("seed", "train.steps", "num_parameters")] == ["Int64"] * 3
    assert [str(types[name]) for name in ("optim.learning_rate", "seconds")] == ["float64"] * 2


def test_by_default_the_columns_are_few_and_those_that_one_looks_for() -> None:
    assert list(mnistexp.load_runs("status = FINISHED")) == [
        *("run_id", "name", "status", "started", "parent", "model", "optim", "data", "train"),
        *("seed", "lab", "train.steps", "train.evaluate_every"),
        *("optim.learning_rate", "data.train_size"),
        *("val_accuracy", "test_accuracy", "test_accuracy_max"),
        *("train_loss", "val_loss", "test_loss", "seconds", "num_parameters"),
    ]
    assert list(mnistexp.load_runs(columns=["name", "seed"])) == ["name", "seed"]
    with pytest.raises(InputError, match="Received: 'sed'. Did you mean seed"):
        mnistexp.load_runs(columns=["sed"])


def test_the_module_lists_its_public_functions_without_loading_them() -> None:
    assert dir(mnistexp) == sorted(mnistexp.__all__)


def test_settings_have_their_types() -> None:
    run = mnistexp.load_runs("model = two_layers and status = FINISHED", columns="all").iloc[-1]
    assert run["seed"] == 2
    assert run["optim.learning_rate"] == 0.5
    assert run["optim.nesterov"] == False  # noqa: E712 - pandas may have made an object of it.
    assert pd.isna(run["train.early_stopping"])


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("model = two_layers and status = FINISHED", 5),
        ("seed > 0 and parent != none", 6),
        ("status = failed", 1),
        ("name like softmax*", 3),
        ("optim.learning_rate >= 1e30", 1),
        ("tags.diverged = true", 1),
        ("lab = '1_0_softmax' and seed = 1", 1),
        ("test_accuracy > 0.999", 0),
    ],
)
def test_conditions_select_runs(where: str, count: int) -> None:
    assert len(mnistexp.load_runs(where)) == count


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("accuracy", "expected NAME OPERATOR VALUE.*Received: 'accuracy'"),
        ("test_acuracy > 0.9", "test_acuracy: .*Did you mean test_accuracy"),
        ("modle = conv", r"modle: .*Did you mean model\?$"),
        ("units = 200", "units: expected one of model.layers"),
        ("model > conv", "expected a number after >"),
    ],
)
def test_invalid_conditions_are_refused(where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mnistexp.load_runs(where)


def test_a_history_has_the_latest_value_of_each_run_metric_and_step() -> None:
    runs = mnistexp.load_runs("model = softmax and seed = 0 and status = FINISHED")
    history = mnistexp.load_history(runs)
    assert not history.duplicated(["run_id", "metric", "step"]).any()
    for (run_id, metric), values in history.groupby(["run_id", "metric"]):
        logged = client().get_metric_history(run_id, stored_name(str(metric)))
        latest = {v.step: v.value for v in sorted(logged, key=lambda value: value.timestamp)}
        assert dict(zip(values["step"], values["value"], strict=True)) == latest
        assert (
            values["value"].iloc[-1]
            == client().get_run(run_id).data.metrics[stored_name(str(metric))]
        )
    only = mnistexp.load_history(runs["run_id"].iloc[0], ["train_loss"])
    assert set(only["metric"]) == {"train_loss"}
    with pytest.raises(InputError, match="Received: 'val_acc'. Did you mean val_accuracy"):
        mnistexp.load_history(runs, ["val_acc"])
    assert mnistexp.load_history(runs["run_id"].iloc[0], "train_loss").equals(only)
    assert list(mnistexp.load_runs(columns="seed")) == ["seed"]
    by_name = mnistexp.load_history(runs["name"].iloc[0], ["train_loss"])
    assert by_name.equals(only)
    with pytest.raises(InputError, match="nothing: expected the id or the name"):
        mnistexp.load_history("nothing")


@pytest.mark.parametrize("override", ["-m", ["model=conv"], "model=conv train.steps=10"])
def test_run_refuses_what_is_no_setting(override: object) -> None:
    with pytest.raises(InputError, match="run: expected (settings as texts|one text for each)"):
        mnistexp.run(override)  # type: ignore[arg-type]


def test_reading_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrackingError, match=r"mlflow.db, which does not exist"):
        mnistexp.load_runs()
    assert not list(tmp_path.iterdir())


def test_an_unknown_experiment_is_reported_with_the_nearest_name() -> None:
    with pytest.raises(TrackingError, match="Did you mean mnistexp"):
        mnistexp.load_runs(experiment="mnistex")


def test_python_runs_what_the_command_line_runs(mnistexp: Command, tmp_path: Path) -> None:
    import mnistexp as package

    result = package.run("model=softmax", "seed=7", *QUICK)
    assert result.history["train_loss"].dropna().index[-1] == 20
    row = package.load_runs("seed = 7").iloc[0]
    assert row["run_id"] == result.run_id
    assert row["test_accuracy"] == result.metrics["test_accuracy"]
    assert repr(result).startswith("Result(test_accuracy=0.")

    from mnistexp.data import load_data

    test = load_data(result.config.data).test
    predicted = result.model.predict(test.images, verbose=0).argmax(axis=1)
    assert (predicted == test.labels).mean() == pytest.approx(result.metrics["test_accuracy"])
    assert mnistexp("seed=7", *QUICK).exit_code == 0
    accuracies = package.load_runs("seed = 7")["test_accuracy"]
    assert accuracies.iloc[0] == accuracies.iloc[1]
