"""The two kinds of learner, side by side: the same data, metrics, tracking and artifacts."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import skops.io
from support import Command

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.device import Device
from mnistexp.errors import ConfigError, DeviceError
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.learner.metrics import cross_entropy
from mnistexp.learner.network import use_xla
from mnistexp.model import NetworkConfig
from mnistexp.model.sklearn_private import TRUSTED_TYPES

SMALL = ["data.train_size=2000", "data.test_slice=[0,1000]"]
CLASSICAL = {
    "logistic_regression": 0.82,
    "k_nearest_neighbors": 0.87,
    "support_vector_machine": 0.90,
    "random_forest": 0.86,
    "gradient_boosting": 0.84,
}
"""The methods, and what 2,000 digits teach each at least."""


def run(*overrides: str) -> RunResult:
    return run_experiment(*compose_config([*overrides, *SMALL]))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("model", CLASSICAL)
def test_a_classical_method_learns_is_tracked_and_loads_again(model: str, here: Path) -> None:
    settings = ["model.max_iter=20"] if model == "gradient_boosting" else []
    result = run(f"model={model}", *settings)
    assert result.metrics["test_accuracy"] > CLASSICAL[model]
    assert result.metrics["num_parameters"] > 0

    client = mlflow.MlflowClient(f"sqlite:///{here}/mlflow.db")
    assert result.run_id is not None
    logged = client.get_run(result.run_id)
    assert logged.info.run_name == f"{model}-s0"
    assert logged.data.params["model.type"] == model
    assert not [name for name in logged.data.params if name.startswith(("optim.", "train."))]
    assert logged.data.metrics["test_accuracy"] == result.metrics["test_accuracy"]

    (stored,) = here.glob("mlruns/**/model.skops")
    again = skops.io.load(stored, trusted=list(TRUSTED_TYPES))
    test = load_data(result.config.data).test
    probabilities = again.predict_proba(test.images.reshape(len(test), -1))
    np.testing.assert_allclose(
        probabilities, result.learner.predict_probabilities(test.images), rtol=1e-9
    )
    assert (probabilities.argmax(axis=1) == test.labels).mean() == result.metrics["test_accuracy"]
    assert not [path for path in here.glob("mlruns/**/*") if path.suffix in (".pkl", ".pickle")]


def test_equal_seeds_grow_equal_forests() -> None:
    forest = ["model=random_forest", "tracking=none", "model.n_estimators=10"]
    digests = [run(*forest, f"seed={seed}").learner.digest() for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_a_type_that_is_not_on_our_list_is_not_loaded(tmp_path: Path) -> None:
    from sklearn.feature_selection import GenericUnivariateSelect, chi2

    file = tmp_path / "other.skops"
    skops.io.dump(GenericUnivariateSelect(chi2), file)
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException):
        skops.io.load(file, trusted=list(TRUSTED_TYPES))


def test_a_classical_method_has_no_gpu(mnistexp: Command) -> None:
    with pytest.raises(DeviceError, match="for random_forest, which has no GPU version"):
        from mnistexp.learner import build_learner

        config, _ = compose_config(["model=random_forest", "device=gpu", *SMALL])
        build_learner(config, load_data(config.data))


def test_settings_that_a_method_does_not_use_are_refused_but_choices_are_not() -> None:
    with pytest.raises(ConfigError, match="optim.learning_rate: model=random_forest does not use"):
        compose_config(["model=random_forest", "optim.learning_rate=0.1"])
    compose_config(["model=random_forest", "optim=adam"])


@pytest.mark.parametrize(
    ("model", "wish", "device_type", "compiled"),
    [
        ("five_layers", "auto", "cpu", True),
        ("five_layers_dropout", "auto", "cpu", False),
        ("conv_big", "auto", "cpu", False),
        ("softmax", "auto", "cpu", False),
        ("conv_big", "auto", "gpu", True),
        ("conv_big", "on", "cpu", True),
        ("five_layers", "off", "gpu", False),
    ],
)
def test_xla_is_chosen_for_each_model_and_device(
    model: str, wish: str, device_type: str, compiled: bool
) -> None:
    network = compose_config([f"model={model}"])[0].model
    assert isinstance(network, NetworkConfig)
    device = Device("any", "gpu" if device_type == "gpu" else "cpu", "/any:0")
    assert use_xla(network, wish, device) is compiled


def test_cross_entropy_against_its_formula() -> None:
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    assert cross_entropy(probabilities[:2], np.array([0, 1])) == pytest.approx(
        -(np.log(0.5) + np.log(0.75)) / 2
    )
    # A truth that was held for impossible costs much, and not infinitely much.
    assert cross_entropy(probabilities[2:], np.array([1])) == pytest.approx(87.3, abs=0.1)
