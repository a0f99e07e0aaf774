"""A scikit-learn classifier as a learner: accuracy, tracking and the stored model."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import skops.io

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.errors import ConfigError, DeviceError
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.learner import build_learner
from mnistexp.model.sklearn_private import TRUSTED_TYPES

SMALL = ["data.train_size=2000", "data.test_slice=[0,1000]"]
CLASSICAL = {
    "logistic_regression": 0.82,
    "k_nearest_neighbors": 0.87,
    "support_vector_machine": 0.90,
    "random_forest": 0.86,
    "gradient_boosting": 0.84,
}
"""Minimum test accuracy of each method with 2,000 training images."""


def run(*overrides: str) -> RunResult:
    return run_experiment(*compose_config([*overrides, *SMALL]))


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("model", CLASSICAL)
def test_a_classical_method_learns_is_tracked_and_can_be_loaded(
    model: str, working_folder: Path
) -> None:
    settings = ["model.max_iter=20"] if model == "gradient_boosting" else []
    result = run(f"model={model}", *settings)
    assert result.metrics["test_accuracy"] > CLASSICAL[model]
    assert result.metrics["num_parameters"] > 0

    client = mlflow.MlflowClient(f"sqlite:///{working_folder}/mlflow.db")
    assert result.run_id is not None
    logged = client.get_run(result.run_id)
    assert logged.info.run_name.startswith(f"{model}-")
    assert "-train_size=2000-" in logged.info.run_name
    assert logged.data.params["model.type"] == model
    assert not [name for name in logged.data.params if name.startswith(("optim", "train"))]
    assert logged.data.metrics["test_accuracy"] == result.metrics["test_accuracy"]

    (stored,) = working_folder.glob("mlruns/**/model.skops")
    loaded = skops.io.load(stored, trusted=list(TRUSTED_TYPES))
    test = load_data(result.config.data).test
    probabilities = loaded.predict_proba(test.images.reshape(len(test), -1))
    np.testing.assert_allclose(
        probabilities, result.learner.predict_probabilities(test.images), rtol=1e-9
    )
    assert (probabilities.argmax(axis=1) == test.labels).mean() == result.metrics["test_accuracy"]
    assert not [
        path for path in working_folder.glob("mlruns/**/*") if path.suffix in (".pkl", ".pickle")
    ]


def test_equal_seeds_give_equal_random_forests() -> None:
    forest = ["model=random_forest", "tracking=none", "model.n_estimators=10"]
    digests = [run(*forest, f"seed={seed}").learner.digest() for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_a_model_with_an_untrusted_type_is_not_loaded(tmp_path: Path) -> None:
    from sklearn.feature_selection import GenericUnivariateSelect, chi2

    file = tmp_path / "other.skops"
    skops.io.dump(GenericUnivariateSelect(chi2), file)
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException):
        skops.io.load(file, trusted=list(TRUSTED_TYPES))


def test_a_classical_method_rejects_a_gpu() -> None:
    config, _ = compose_config(["model=random_forest", "device=gpu", *SMALL])
    with pytest.raises(DeviceError, match="for random_forest, which has no GPU version"):
        build_learner(config, load_data(config.data))


def test_a_method_rejects_settings_that_it_does_not_use_but_accepts_group_options() -> None:
    with pytest.raises(ConfigError, match="optim.learning_rate: model=random_forest does not use"):
        compose_config(["model=random_forest", "optim.learning_rate=0.1"])
    compose_config(["model=random_forest", "optim=adam"])
