"""When XLA compiles the training loop of a network, and what is said about too little memory."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import tensorflow as tf
from support import FEW_STEPS, QUICK, Command, network_config, train_untracked

from mnistexp.data import Data
from mnistexp.learner.network import use_xla
from mnistexp.train.compiled_trainer import CompiledTrainer


@pytest.mark.parametrize(
    ("model", "setting", "device_type", "compiled"),
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
def test_auto_uses_xla_where_it_is_faster(
    model: str, setting: str, device_type: str, compiled: bool
) -> None:
    assert use_xla(network_config(f"model={model}"), setting, device_type) is compiled


def test_auto_uses_xla_for_a_long_training_of_a_single_layer() -> None:
    config = network_config("model=softmax")
    assert not use_xla(config, "auto", "cpu", num_steps=11_999)
    assert use_xla(config, "auto", "cpu", num_steps=12_000)
    # XLA makes convolutions slower, however long the training is.
    conv = network_config("model=conv_big")
    assert not use_xla(conv, "auto", "cpu", num_steps=1_000_000)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("compute_gradients", tf.errors.ResourceExhaustedError(None, None, "")),
        ("_run", MemoryError()),
    ],
    ids=["TensorFlow", "NumPy"],
)
def test_too_little_memory_in_the_training_names_the_batch_and_the_largest_layers(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    def run_out_of_memory(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(CompiledTrainer, method, run_out_of_memory)
    settings = ["model=five_layers", "train.batch_size=64", *QUICK]
    result = mnistexp(*settings, "device.xla=off")
    assert result.exit_code == 1
    line = result.err.splitlines()[0]
    assert line.startswith("error: train.batch_size: expected a network and a batch that fit into")
    # 64 · 784 values of the flattened images; 784 · 200 + 200 weights and 64 · 200 outputs.
    assert "64 images; the largest layers: hidden1 0.7 MB, flatten 0.2 MB, hidden2 0.1 MB" in line
    assert "Traceback" not in result.err
    (run,) = mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").search_runs(["1"])
    assert run.info.status == "FAILED"
    assert run.data.tags["reason"].startswith("train.batch_size: expected")


def test_the_rejection_rule_does_not_classify_the_validation_images_again(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = train_untracked(*FEW_STEPS).learner
    learner.save_rejection_rule(data, tmp_path)
    expected = (tmp_path / "rejection.npz").read_bytes()
    probabilities = learner.predict_probabilities(data.validation.images)
    np.testing.assert_array_equal(learner.model(data.validation.images).numpy(), probabilities)
    with monkeypatch.context() as patch:
        patch.setitem(vars(learner), "_compiled_prediction", None)
        learner.save_rejection_rule(data, tmp_path)
    assert (tmp_path / "rejection.npz").read_bytes() == expected


def test_changed_images_and_changed_weights_are_classified_anew(data: Data) -> None:
    learner = train_untracked(*FEW_STEPS).learner
    images = data.validation.images.copy()
    first = learner.predict_probabilities(images)
    images[:] = images[::-1]
    np.testing.assert_array_equal(learner.predict_probabilities(images), first[::-1])
    learner.fit(data, lambda metrics, step: None)
    trained = learner.predict_probabilities(images)
    np.testing.assert_array_equal(learner.model(images).numpy(), trained)
    assert (trained != first[::-1]).any()
