"""`mnistexp ensemble`: the mean of the models of runs, as a run of its own."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pytest
import requests
import skops.io
from support import (
    QUICK,
    Command,
    CommandResult,
    free_port,
    run_command,
    start_command,
    wait_for_output,
)

from mnistexp.data import Data

pytestmark = pytest.mark.integration

SMALL = [*QUICK, "data.validation_size=500"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with sweeps over two seeds of a network and of a classical method, and others."""
    folder = tmp_path_factory.mktemp("ensembles")
    forest = ["model=random_forest", "model.n_estimators=5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command("-m", "model=softmax", "seed=0,1", *SMALL) == 0
        assert run_command("-m", *forest, "seed=0,1", *SMALL[:1], *SMALL[2:]) == 0
        assert run_command(*QUICK, "tracking.run_name=other_split") == 0
        assert run_command(*SMALL, "optim.learning_rate=1e38", "tracking.run_name=diverged") == 1
        yield folder


@pytest.fixture
def store(folder: Path, mnistexp: Command) -> "Store":
    return Store(folder, mnistexp)


class Store:
    """The runs of the folder, as MLflow's client reads them, and the command line."""

    def __init__(self, folder: Path, command: Command) -> None:
        self._uri = f"sqlite:///{folder}/mlflow.db"
        self._command = command
        self.client = mlflow.MlflowClient(self._uri)

    def run(self, *arguments: str) -> CommandResult:
        return self._command(*arguments, "--uri", self._uri)

    def find(self, start: str) -> list[mlflow.entities.Run]:
        runs = self.client.search_runs(["1"], order_by=["start_time ASC"])
        return [run for run in runs if str(run.info.run_name).startswith(start)]

    def model_file(self, run: mlflow.entities.Run, name: str) -> Path:
        model_id = run.outputs.model_outputs[-1].model_id
        location = self.client.get_logged_model(model_id).artifact_location
        return Path(location.removeprefix("file://")) / name


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def test_the_model_of_a_sweep_is_the_mean_of_the_keras_models_of_its_jobs(
    store: Store, data: Data
) -> None:
    sweep = store.client.search_runs(["1"], "tags.kind = 'sweep'", order_by=["start_time ASC"])[0]
    result = store.run("ensemble", sweep.info.run_id, "--json")
    assert result.exit_code == 0, result.err
    printed: dict[str, Any] = json.loads(result.out)

    members = store.find("softmax")
    models = [keras.saving.load_model(store.model_file(m, "data/model.keras")) for m in members]
    mean = np.mean([model(data.test.images).numpy() for model in models], axis=0)
    (run,) = store.find("ensemble-softmax")
    logged = keras.saving.load_model(store.model_file(run, "data/model.keras"), safe_mode=True)
    np.testing.assert_allclose(logged(data.test.images).numpy(), mean, atol=1e-6)
    loss = -np.log(mean[np.arange(len(mean)), data.test.labels]).mean()
    assert run.data.metrics["test_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.data.metrics["test_accuracy"] == accuracy(mean, data.test.labels)
    assert run.data.metrics["system/num_parameters"] == 2 * 7_850
    validation = np.mean([model(data.validation.images[:500]).numpy() for model in models], axis=0)
    expected = accuracy(validation, data.validation.labels[:500])
    assert run.data.metrics["val_accuracy"] == printed["metrics"]["val_accuracy"] == expected

    ids = [member.info.run_id for member in members]
    assert sorted(run.data.params["ensemble.runs"].split()) == sorted(ids)
    assert (run.info.status, run.data.params["data.name"]) == ("FINISHED", "mnist")
    assert printed["run_id"] == run.info.run_id


def test_an_ensemble_of_classical_methods_is_the_mean_of_their_probabilities(
    store: Store, data: Data
) -> None:
    assert (
        store.run("ensemble", *(r.info.run_id for r in store.find("random_forest"))).exit_code == 0
    )
    rows = data.test.images.reshape(len(data.test), -1)

    def probabilities(run: mlflow.entities.Run) -> np.ndarray:
        file = store.model_file(run, "model.skops")
        trusted = skops.io.get_untrusted_types(file=file)
        values: np.ndarray = skops.io.load(file, trusted=trusted).predict_proba(rows)
        return values

    mean = np.mean([probabilities(run) for run in store.find("random_forest")], axis=0)
    (run,) = store.find("ensemble-random_forest")
    np.testing.assert_allclose(probabilities(run), mean, atol=1e-12)
    assert run.data.metrics["test_accuracy"] == accuracy(mean, data.test.labels)
    evaluated = store.run("evaluate", run.info.run_id, "--json")
    assert json.loads(evaluated.out)["accuracy"] == run.data.metrics["test_accuracy"]


def test_other_commands_treat_an_ensemble_as_a_run_that_was_not_trained(store: Store) -> None:
    softmax = [run.info.run_id for run in store.find("softmax")]
    name = json.loads(store.run("ensemble", *softmax, "--json").out)["run_id"]
    for command in (["evaluate", name], ["show", name], ["list"], ["compare", name, *softmax]):
        result = store.run(*command)
        assert result.exit_code == 0, result.err
        if command[0] != "show":  # Its commands and paths are not broken.
            assert max(map(len, result.out.splitlines())) <= 80
    assert store.run("diff", name, softmax[0]).exit_code == 0
    for arguments in (["rerun", name], ["resume", name, "train.epochs=9"]):
        result = store.run(*arguments)
        assert result.exit_code == 2
        assert "expected a run that was trained. Received: an ensemble of other runs" in result.err


def test_an_ensemble_is_served_over_http(store: Store, folder: Path, data: Data) -> None:
    members = store.find("softmax")
    reply = store.run("ensemble", *(run.info.run_id for run in members), "--json")
    images = data.test.images[:5]
    models = [keras.saving.load_model(store.model_file(m, "data/model.keras")) for m in members]
    expected = np.mean([model(images).numpy() for model in models], axis=0)
    run_id = json.loads(reply.out)["run_id"]
    process = start_command(folder, "serve", run_id, "--port", str(free_port()))
    try:
        address = wait_for_output(process, r"Scoring server: (\S+)")
        body = json.dumps({"inputs": images.tolist()})
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{address}/invocations", body, headers=headers, timeout=200)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    np.testing.assert_allclose(answer.json()["predictions"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["{softmax}"], "expected at least two runs. Received: 1"),
        (["{softmax}", "nothing"], "Received: 'nothing'"),
        (["{softmax}", "diverged"], "diverged: expected a finished run"),
        (["{softmax}", "other_split"], "data.validation_size: expected the same for all runs"),
        (["{softmax}", "{random_forest}"], "expected only networks or only classical methods"),
    ],
)
def test_runs_that_cannot_be_averaged_are_rejected_in_one_line(
    store: Store, names: list[str], message: str
) -> None:
    ids = {start: store.find(start)[0].info.run_id for start in ("softmax", "random_forest")}
    result = store.run("ensemble", *(name.format(**ids) for name in names))
    assert result.exit_code == 2
    (line,) = [text for text in result.err.splitlines() if text.startswith("error:")]
    assert message in line
