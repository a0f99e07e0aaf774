"""The compiled loop equals plain Keras, and stops at a loss that is not finite."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import build_optimization, network_config, train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data
from mnistexp.errors import TrainingDiverged
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.model import build_model
from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.compiled_trainer import CompiledTrainer, max_chunk_steps
from mnistexp.train.losses import cross_entropy


def run(*overrides: str) -> RunResult:
    return run_experiment(compose_config([*overrides, "tracking=none"])[0])


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("optim", ["sgd", "nesterov", "adam_decay", "adamw_cosine"])
def test_the_weights_equal_those_of_plain_keras(data: Data, optim: str, xla: bool) -> None:
    """The same batches in the same order give the same weights as Keras' own train_on_batch."""
    settings = ["model=two_layers", f"optim={optim}", "train.steps=45", "optim.learning_rate=0.01"]
    settings += ["train.evaluate_every=45"]  # One segment: its loss is the mean over all steps.
    network, training = train_network(data, *settings, xla=xla)

    config, _ = compose_config(settings)
    keras.utils.set_random_seed(1)
    plain = build_model(network_config(*settings))
    plain.compile(
        build_optimization(config, 2_000)[0],
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = []
    for batch in BatchOrder(2_000, 100, "every_epoch", seed=1).take(45):
        images = data.train.images[batch].astype("f4") / 255
        losses.append(plain.train_on_batch(images, data.train.labels[batch]))
    for weights, expected in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, atol=2e-4)
    assert training.history.last("train_loss") == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize(
    ("model", "parts", "xla"),
    [("two_layers", 3, False), ("two_layers", 3, True), ("conv", 2, False)],
)
def test_a_batch_in_parts_gives_the_weights_of_the_whole_batch(
    data: Data, model: str, parts: int, xla: bool
) -> None:
    """Also if a batch of 100 images has no equal parts. Only the order of the sums differs."""
    settings = [f"model={model}", "train.steps=20", "train.evaluate_every=20"]
    settings += ["model.layers.logits.kernel_regularizer={l2: 0.01}"]
    whole, training = train_network(data, *settings, xla=xla)
    in_parts, same = train_network(data, *settings, f"device.parts_per_batch={parts}", xla=xla)
    for weights, expected in zip(in_parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, atol=1e-4)
    for metric in ("train_loss", "val_loss"):
        expected_loss = training.history.last(metric)
        assert same.history.last(metric) == pytest.approx(expected_loss, rel=1e-4)


def test_each_part_of_a_batch_has_its_own_dropout(data: Data) -> None:
    """With the mask of the first part for all, images of equal parts would have equal logits."""
    network, _ = train_network(data, "model=five_layers_dropout", "train.steps=1")
    trainer = CompiledTrainer(network, 255.0, cross_entropy, parts_per_batch=2)
    trainer.compile(keras.optimizers.SGD())
    part = data.train.images[:50]
    _, logits, _ = trainer.compute_gradients(np.concatenate([part, part]), tf.zeros(100, tf.int32))
    assert not np.allclose(logits[:50], logits[50:])


@pytest.mark.parametrize(
    ("batch_bytes", "segment_steps", "steps"),
    [(78_400, 100, 100), (78_400, 101, 200), (78_400, 1, 100), (2**20, 1000, 64), (2**27, 50, 1)],
)
def test_a_call_has_at_most_the_steps_of_a_segment_and_64_mib_of_images(
    batch_bytes: int, segment_steps: int, steps: int
) -> None:
    """Short segments have one number of steps, so that trainings share the compiled loop."""
    assert max_chunk_steps(batch_bytes, segment_steps) == steps


def test_a_run_in_parts_can_be_repeated() -> None:
    settings = ["model=five_layers_dropout", "train.steps=5", "data.train_size=2000"]
    digests = [
        run(*settings, *parts).learner.digest()
        for parts in ([], ["device.parts_per_batch=2"], ["device.parts_per_batch=2"])
    ]
    assert digests[0] != digests[1] == digests[2]


def test_the_error_for_a_loss_of_nan_names_the_step() -> None:
    settings = ["model=five_layers", "optim=sgd", "optim.learning_rate=5.0", "train.steps=200"]
    with pytest.raises(TrainingDiverged, match=r"at step \d+: the loss was not finite for"):
        run(*settings, "train.loss=naive_cross_entropy", "data.scale=1.0")


def test_the_named_step_is_the_first_with_a_loss_that_is_not_finite(data: Data) -> None:
    settings = ["model=five_layers", "optim=sgd", "optim.learning_rate=5.0"]
    settings += ["train.loss=naive_cross_entropy"]
    with pytest.raises(TrainingDiverged) as caught:
        train_network(data, *settings, "train.steps=200", "train.log_every=200")
    step = int(str(caught.value).split("at step ")[1].split(":")[0])
    network, _ = train_network(data, *settings, f"train.steps={step - 1}")
    assert np.isfinite(network.get_weights()[0]).all()


def test_a_test_loss_of_nan_after_the_last_step_fails_the_run() -> None:
    settings = ["model=two_layers", "optim=sgd", "optim.learning_rate=1e38", "train.steps=1"]
    origin = "the output of layer logits overflowed"
    with pytest.raises(TrainingDiverged, match=f"val_loss became nan at step 1: {origin}"):
        run(*settings, "data.train_size=2000")


@pytest.mark.parametrize(
    ("overrides", "origin"),
    [
        # The first update makes the weights large, so the second forward pass overflows.
        (["optim.learning_rate=1e30"], "the output of layer logits overflowed (weights of up to"),
        (["train.loss=naive_cross_entropy", "optim.learning_rate=3"], "the loss was not finite"),
        (
            [
                "model.activation=sigmoid",
                "model.layers.hidden1.kernel_initializer=1.0",
                "model.layers.hidden1.kernel_regularizer={l2: 3e38}",
            ],
            "the gradient of layer hidden1 was no longer finite",
        ),
    ],
    ids=["output", "loss", "gradient"],
)
def test_the_layer_in_which_a_divergence_began_is_named(
    data: Data, overrides: list[str], origin: str
) -> None:
    with pytest.raises(TrainingDiverged) as caught:
        train_network(data, "model=two_layers", "optim=sgd", "train.steps=100", *overrides)
    assert origin in str(caught.value)
