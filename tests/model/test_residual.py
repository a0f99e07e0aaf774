"""Residual blocks, compared with the same network in plain Keras."""

import keras
import numpy as np
import pytest
from support import network_config, train_network

from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import depends_on_threads
from mnistexp.data import Data
from mnistexp.errors import ConfigError
from mnistexp.learner.network import use_xla
from mnistexp.model import NetworkConfig, build_classifier, build_model
from mnistexp.train.layer_statistics import LayerStatistics

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), "u1")
LABELS = np.arange(6, dtype="u1")
INNER = (
    "layers: {conv: {type: conv2d, filters: 8, kernel_size: 3, strides: 2, padding: same}, "
    "norm: {type: batch_normalization}, act: {type: activation, activation: relu}}"
)
PROJECTION = "shortcut: {project: {type: conv2d, filters: 8, kernel_size: 1, strides: 2}}"
NETWORK = [
    "model=conv",
    "model.layers.conv2=null",
    "model.layers.conv3=null",
    f"model.layers.block={{type: residual, after: conv1, {INNER}, {PROJECTION}}}",
    "model.layers.same={type: residual, after: block, "
    "layers: {conv: {type: conv2d, filters: 8, kernel_size: 3, padding: same}}}",
    "model.layers.end={type: activation, activation: relu, after: same}",
    "model.layers.hidden.units=20",
]


def build_plain_network() -> tuple[keras.Model, list[keras.KerasTensor]]:
    """Return the network of `NETWORK`, and the outputs of its layers with an activation."""
    layers = keras.layers
    inputs = keras.Input((28, 28, 1))
    first = layers.Conv2D(4, 5, padding="same", activation="relu", name="conv1")(inputs)
    conv = layers.Conv2D(8, 3, strides=2, padding="same", name="block_conv")(first)
    norm = layers.BatchNormalization(name="block_norm")(conv)
    act = layers.Activation("relu", name="block_act")(norm)
    project = layers.Conv2D(8, 1, strides=2, name="block_project")(first)
    block = layers.Add()([act, project])
    same = layers.Conv2D(8, 3, padding="same", name="same_conv")(block)
    end = layers.Activation("relu")(layers.Add()([same, block]))
    hidden = layers.Dense(20, activation="relu", name="hidden")(layers.Flatten()(end))
    logits = layers.Dense(10, name="logits")(hidden)
    return keras.Model(inputs, logits), [first, act, end, hidden]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of the layers with weights, by their names."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def test_the_classifier_equals_the_same_network_in_plain_keras() -> None:
    network = build_model(network_config(*NETWORK))
    plain, _ = build_plain_network()
    copy_weights(network, plain)
    assert network.count_params() == plain.count_params()
    expected = keras.ops.softmax(plain(IMAGES / np.float32(255))).numpy()
    classifier = build_classifier(network, 255.0)
    np.testing.assert_allclose(classifier(IMAGES).numpy(), expected, atol=1e-5)
    modules = {type(layer).__module__.split(".")[0] for layer in classifier.layers}
    assert modules == {"keras"}


def test_training_updates_the_network_as_plain_keras_does(data: Data) -> None:
    settings = [*NETWORK, "optim=sgd", "optim.learning_rate=0.1", "train.steps=1"]
    trained, _ = train_network(data, *settings, "train.batch_size=2000")
    keras.utils.set_random_seed(1)
    start = build_model(network_config(*settings))
    plain, _ = build_plain_network()
    copy_weights(start, plain)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.SGD(0.1), loss)
    plain.train_on_batch(data.train.images / np.float32(255), data.train.labels)
    for layer in plain.layers:
        if not layer.weights:
            continue
        weights_of_layer = trained.get_layer(layer.name).get_weights()
        for expected, weights in zip(layer.get_weights(), weights_of_layer, strict=True):
            np.testing.assert_allclose(weights, expected, atol=1e-4, err_msg=layer.name)


def test_the_dashboard_shows_the_activations_of_plain_keras() -> None:
    network = build_model(network_config(*NETWORK))
    plain, activations = build_plain_network()
    copy_weights(network, plain)
    plain.get_layer("block_norm").momentum = 0.0
    scaled = IMAGES / np.float32(255)
    plain(scaled, training=True)  # The dashboard normalizes by the batch.
    outputs = keras.Model(plain.input, activations)(scaled)
    statistics = LayerStatistics(network, scale=255.0)
    values = statistics.evaluate(
        [weight.value for weight in network.weights], IMAGES, LABELS, "activations"
    )[2]["activations"]
    expected = np.concatenate([output.numpy().ravel() for output in outputs])
    np.testing.assert_allclose(np.sort(values), np.sort(expected), atol=2e-3)


def test_a_block_may_contain_blocks_and_its_momentum_warms_up() -> None:
    inner = "{type: residual, layers: {norm: {type: batch_normalization, momentum_warmup: true}}}"
    block = f"model.layers.outer={{type: residual, after: conv1, layers: {{inner: {inner}}}}}"
    config = network_config("model=conv", block)
    assert config.momentum_warmup == {"outer_inner_norm"}
    network = build_model(config)
    assert {"outer", "outer_inner", "outer_inner_norm"} <= {x.name for x in network.layers}


@pytest.mark.parametrize(
    ("inner", "is_dense"),
    [
        ("{type: dense, units: 200}", True),
        ("{type: keras, class_name: Reshape, config: {target_shape: [200]}}", False),
    ],
)
def test_layers_inside_blocks_decide_about_xla_and_threads(inner: str, is_dense: bool) -> None:
    block = f"model.layers.b={{type: residual, after: hidden1, layers: {{inner: {inner}}}}}"
    config, _ = compose_config(["model=two_layers", "device=cpu", block])
    assert depends_on_threads(config) != is_dense
    assert isinstance(config.model, NetworkConfig)
    assert use_xla(config.model, "auto", "cpu") == is_dense


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            [f"model.layers.block={{type: residual, after: conv1, {INNER}}}"],
            r"model.layers.block.shortcut: expected .* \[n, 14, 14, 8\]. Received: "
            r"\[n, 28, 28, 4\]. Write shortcut: {project: {type: conv2d, filters: 8, "
            "kernel_size: 1, strides: 2}}",
        ),
        (
            [
                "model.layers.b={type: residual, after: hidden, layers: {d: {type: dense, "
                "units: 1}}}"
            ],
            r"model.layers.b.shortcut: .* Write shortcut: {project: {type: dense, units: 1}}",
        ),
        (
            [
                "model.layers.b={type: residual, after: conv1, layers: {c: {type: conv2d, "
                "filters: 4, kernel_size: 3}}}"
            ],
            r"model.layers.b.shortcut: .*\[n, 26, 26, 4\].*Use padding=same in the inner layers",
        ),
        (
            [
                "model.layers.b={type: residual, after: conv1, layers: {c: {type: conv2d, "
                "filters: 100000000, kernel_size: 30}}}"
            ],
            "model.layers.b.layers.c: expected a network that fits into the memory",
        ),
        (
            [*NETWORK, "model.layers.block.layers.conv.kernel_size=40", "model.layers.block.layers."
             "conv.padding=valid"],
            "model.layers.block.layers.conv: expected a kernel_size of at most 28 x 28",
        ),
        (
            [*NETWORK, "model.layers.block.layers.conv.filter=3"],
            "model.layers.block.layers.conv.filter: unknown setting. Did you mean "
            "model.layers.block.layers.conv.filters",
        ),
        (
            [*NETWORK, "model.layers.block.layers.con.filters=3"],
            "model.layers.block.layers.con: block has no layer con, only conv, .*mean conv?",
        ),
        (
            [*NETWORK, "model.layers.same.layers.conv=null"],
            "model.layers.same.layers: expected at least one layer that is not null",
        ),
        (
            [*NETWORK, "model.layers.same.layers.conv.after=x"],
            "model.layers.same.layers.conv.after: expected another layer, but there is no other",
        ),
        (
            [*NETWORK, "model.layers.block_conv={type: dropout, rate: 0.1, after: conv1}"],
            "expected different names of layers.*Received: block_conv twice",
        ),
        (
            ["model.layers.b={type: residual, layers: {d: {type: dense, units: 10}}}"],
            "model.layers.b: expected the logits to come last. Received: a residual layer",
        ),
    ],
)  # fmt: skip
def test_an_error_in_a_block_names_the_layer(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(network_config("model=conv", *overrides))
