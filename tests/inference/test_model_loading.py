"""Naming a trained model, loading it without unpickling anything, and promoting it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from support import QUICK, Command

from mnistexp.analysis.run_selection import select_model
from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash
from mnistexp.data import load_data
from mnistexp.errors import InputError, ModelError, TrackingError
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.inference import load_model
from mnistexp.tracking import MlflowTracking, RunStore
from mnistexp.tracking.model_registry import fetch_model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Four short runs: a bad and a good network, a forest, and one without a model."""
    folder = tmp_path_factory.mktemp("models")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train("tracking.run_name=bad", "optim.learning_rate=1e-6", "tracking.register=digits")
        train("tracking.run_name=good", "tracking.register=digits")
        train("tracking.run_name=forest", "model=random_forest", "model.n_estimators=10")
        train("tracking.run_name=bare", "tracking.log_model=false")
    return RunStore(MlflowTracking(type="mlflow", uri=uri))


def train(*settings: str) -> RunResult:
    steps = [] if any("forest" in setting for setting in settings) else ["train.steps=20"]
    return run_experiment(*compose_config(["data.train_size=2000", *steps, *settings]))


def test_a_model_is_selected_by_run_id_id_prefix_or_run_name(store: RunStore) -> None:
    by_name = select_model(store, "good")
    assert by_name.run_name == "good"
    assert select_model(store, by_name.run_id) == by_name
    assert select_model(store, by_name.run_id[:8]) == by_name


def test_best_selects_the_highest_validation_accuracy_that_passes_the_filter(
    store: RunStore,
) -> None:
    client = mlflow.MlflowClient(store.uri)
    runs = client.search_runs(["1"], order_by=["metrics.val_accuracy DESC"])
    with_model = [run for run in runs if run.info.run_name != "bare"]
    assert select_model(store, "best").run_id == with_model[0].info.run_id
    assert select_model(store, "best", "optim.learning_rate < 1e-5").run_name == "bad"
    assert select_model(store, "best", "model = random_forest").run_name == "forest"


def test_of_several_runs_of_a_name_the_newest_is_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ids = [train("tracking.run_name=same", f"seed={seed}").run_id for seed in (0, 1)]
    assert select_model(RunStore(MlflowTracking(type="mlflow")), "same").run_id == ids[1]


def test_a_registered_model_is_selected_by_version_or_alias(store: RunStore) -> None:
    assert select_model(store, "digits/1").run_name == "bad"
    assert select_model(store, "digits/2").run_name == "good"
    client = mlflow.MlflowClient(store.uri)
    client.set_registered_model_alias("digits", "oldest", "1")
    assert select_model(store, "digits@oldest").run_name == "bad"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("goood", "Did you mean good"),
        ("0" * 32, "expected the id or the name"),
        ("bare", "expected a run with a model"),
        ("digits/9", "digits/9: expected one of .*digits/1, digits/2"),
        ("digits@nobody", "digits@nobody: expected one of .*digits/1"),
        ("letters@champion", "expected a registered model, one of digits"),
        ("it's/1", "expected a registered model"),
    ],
)
def test_an_unknown_model_is_rejected(word: str, message: str, store: RunStore) -> None:
    with pytest.raises(InputError, match=message) as caught:
        select_model(store, word)
    assert "\n" not in str(caught.value)


def test_selecting_a_model_creates_no_store(tmp_path: Path) -> None:
    store = RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/none.db"))
    with pytest.raises(TrackingError, match="expected a store with runs"):
        select_model(store, "best")
    assert not list(tmp_path.iterdir())


def test_registering_a_model_does_not_change_the_config_hash() -> None:
    hashes = {
        config_hash(compose_config(settings)[0], "") for settings in ([], ["tracking.register=x"])
    }
    assert len(hashes) == 1


def test_promote_moves_the_champion(mnistexp: Command, store: RunStore) -> None:
    uri = ["--uri", str(store.uri)]
    client = mlflow.MlflowClient(store.uri)
    assert "digits@champion is version 1 now" in mnistexp("promote", "bad", *uri).out
    assert "digits@champion is version 2 now" in mnistexp("promote", "good", *uri).out
    assert client.get_registered_model("digits").aliases["champion"] == 2
    assert select_model(store, "digits@champion").run_name == "good"
    # Promoting it again makes no other version.
    assert "version 2 now" in mnistexp("promote", "digits@champion", *uri).out
    outcome = mnistexp("promote", "forest", *uri)
    assert outcome.exit_code == 2
    assert "--name: expected a name for forest" in outcome.err
    assert (
        "trees@champion is version 1" in mnistexp("promote", "forest", "--name", "trees", *uri).out
    )


@pytest.mark.parametrize("name", ["good", "forest"])
def test_a_loaded_model_predicts_as_the_trained_one(name: str, store: RunStore) -> None:
    stored = select_model(store, name)
    test = load_data(compose_config([])[0].data).test
    probabilities = load_model(stored, store).predict_probabilities(test.images)
    assert probabilities.shape == (10_000, 10)
    logged = mlflow.MlflowClient(store.uri).get_run(stored.run_id).data.metrics
    assert (probabilities.argmax(axis=1) == test.labels).mean() == logged["test_accuracy"]


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def own(store: RunStore, tmp_path: Path) -> Iterator[tuple[RunStore, Path]]:
    """A store, and the folder of the model `good`, to be tampered with."""
    folder = fetch_model(store, select_model(store, "good"))
    shutil.copytree(folder, tmp_path / "original")
    yield store, folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "original", folder)


def refused(tracking: RunStore, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(select_model(tracking, "good"), tracking)
    assert "\n" not in str(caught.value)


def signature(*shape: int) -> ModelSignature:
    pixels = TensorSpec(np.dtype("uint8"), (-1, *shape))
    return ModelSignature(Schema([pixels]), Schema([TensorSpec(np.dtype("float32"), (-1, 10))]))


def test_a_network_with_code_is_rejected(own: tuple[RunStore, Path]) -> None:
    import keras

    tracking, folder = own
    inputs = keras.Input((28, 28, 1), dtype="uint8")
    code = keras.layers.Lambda(lambda x: x[:, 0, :10, 0], output_shape=(10,))(inputs)
    keras.Model(inputs, code).save(folder / "data" / "model.keras")
    refused(tracking, "expected a model that Keras loads in its safe mode")


def test_a_model_of_another_shape_is_rejected(own: tuple[RunStore, Path]) -> None:
    import keras

    tracking, folder = own
    inputs = keras.Input((14, 14, 1), dtype="uint8")
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
    other = keras.Model(inputs, outputs)
    other.save(folder / "data" / "model.keras")
    refused(tracking, r"expected a network of \[-1, 28, 28, 1\]. Received: \[None, 14, 14, 1\]")

    shutil.rmtree(folder)
    mlflow.tensorflow.save_model(
        other, folder, signature=signature(14, 14, 1), pip_requirements=["keras"]
    )
    refused(tracking, r"Received: \[-1, 14, 14, 1\] to \[-1, 10\]")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_a_pickle_is_not_loaded(own: tuple[RunStore, Path], tmp_path: Path) -> None:
    import pickle

    tracking, folder = own
    trace = tmp_path / "unpickled"
    (folder / "data" / "model.keras").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Trap(trace)))
    (folder / "data" / "custom_objects.cloudpickle").write_bytes(pickle.dumps(Trap(trace)))
    refused(tracking, "pickles, which are not loaded")
    assert not trace.exists()


def test_deleted_files_are_reported(own: tuple[RunStore, Path]) -> None:
    tracking, folder = own
    shutil.rmtree(folder)
    refused(tracking, "expected the files of its model. Received: none at")


def test_a_pickle_beside_a_network_is_ignored(own: tuple[RunStore, Path], tmp_path: Path) -> None:
    import pickle

    tracking, folder = own
    trace = tmp_path / "unpickled"
    (folder / "data" / "custom_objects.cloudpickle").write_bytes(pickle.dumps(Trap(trace)))
    load_model(select_model(tracking, "good"), tracking)
    assert not trace.exists()


def test_a_run_registers_its_model(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "tracking.register=mine", "tracking.uri=sqlite:///own.db")
    assert outcome.exit_code == 0, outcome.err
    (version,) = mlflow.MlflowClient("sqlite:///own.db").search_model_versions("name = 'mine'")
    assert int(version.version) == 1
    outcome = mnistexp(*QUICK, "tracking.register=a/b")
    assert outcome.exit_code == 2
    assert "tracking.register: expected text" in outcome.err
