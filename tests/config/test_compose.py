"""Composition and validation of overrides: what is accepted, and the messages about the rest."""

import re

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=conv_bg", "model: expected one of .* Received: 'conv_bg'. Did you mean conv_big"),
        ("optim/decay=cosin", "optim/decay: expected one of .*Did you mean cosine"),
        ("+train.epoch=3", "train.epoch: unknown setting. Did you mean train.epochs?"),
        ("train.epoch=3", "train.epoch: unknown setting. Did you mean train.epochs?"),
        ("learning_rate=1", "learning_rate: unknown setting. Did you mean optim.learning_rate.$"),
        ("lr=1", "lr: unknown setting. Did you mean optim.learning_rate.$"),
        ("optim.lr=1", "optim.lr: unknown setting. Did you mean optim.learning_rate.$"),
        ("bs=1", "bs: unknown setting. Did you mean train.batch_size.$"),
        ("batch=1", "batch: unknown setting. Did you mean train.batch_size.$"),
        ("optim.name=x", "optim.name: unknown setting. Did you mean data.name.$"),
        ("epochs=3", "epochs: unknown setting. Did you mean train.epochs?"),
        ("train.learning_rate=1", "train.learning_rate: .* Did you mean .*optim.learning_rate"),
        ("modle=conv", "modle: unknown setting. Did you mean model?"),
        ("train.epochs=0", "train.epochs: expected a number > 0. Received: 0"),
        ("optim.learning_rate=-1", "optim.learning_rate: expected a number > 0. Received: -1"),
        ("optim.learning_rate=nan", "optim.learning_rate: expected a finite number"),
        ("optim.learning_rate=fast", "optim.learning_rate: expected a number. Received: 'fast'"),
        ("optim.decay=cosine", "optim.decay: .* Choose an option with optim/decay=NAME"),
        ("seed=1.5", "seed: expected a whole number. Received: 1.5"),
        ("model.layers.logits.units=true", "model.layers.logits.units: expected a whole number"),
        ("model.layers.logits.units=11", "logits.units: expected 10 in the last layer.*ved: 11"),
        ("model.layers.logits.activation=softmax", "logits.activation: expected linear.*'softmax'"),
        (
            "model.layers.s={type: keras, class_name: Softmax}",
            "model.layers.s: expected the logits to come last.*model.layers.s=null",
        ),
        (
            "model.layers.d={type: keras, class_name: Dense, config: {units: 12}}",
            "model.layers.d.config.units: expected 10 in the last layer",
        ),
        ("model.layers.new.type=dens", "model.layers.new.type: expected one of dense.*mean dense?"),
        (
            "model.layers.hidden1.units=50",
            "model.layers.hidden1: the model has no layer hidden1, only flatten, logits. "
            "A new layer needs a type. Received: {'units': 50}$",
        ),
        ("model.layers.logitz.units=50", "A new layer needs a type.*Did you mean logits?"),
        ("model.layers.logits.unit=3", "model.layers.logits.unit: .*model.layers.logits.units?"),
        ("model.layers.logits.after=nowhere", "expected another layer, one of flatten. Received"),
        ("model.layers.new.type=rescaling", "Any other one of Keras is type: keras with class_n"),
        ("model.activation=relu", "model.activation: no layer of this model refers to"),
        ("model.bias_initializer=zeroes", "model.bias_initializer: expected one of .*mean zeros"),
        (
            "train.evaluate_every=often",
            "train.evaluate_every: expected '50 steps', a number",
        ),
        ("model=softmax,", "model=softmax,: expected a value on each side of a comma"),
        ("optim.momentum=${optim.bta_1}", r"not found(?!.*beta_1)"),  # This is SGD.
        ("optim.momentum=${optim.nestrov}", r"not found. Did you mean optim\.nesterov"),
        ("train.restore_best_weights=test_accuracy", "the test set must not select anything"),
        ("train.early_stopping.monitor=test_loss", "the test set must not select anything"),
        ("data.test_slice=[5,2]", r"data.test_slice: expected start < end. Received: \[5, 2\]"),
        ("data.validation_size=0", "data.validation_size: expected > 0, since train.evaluate_on"),
        ("data.url=ftp://somewhere", "data.url: expected text of the form"),
        (
            "model=conv_batchnorm device.parts_per_batch=2",
            "device.parts_per_batch: expected 1, since layer norm1 normalizes by mean and variance",
        ),
        (
            "model.layers.n={type: keras, class_name: BatchNormalization, after: flatten} "
            "device.parts_per_batch=2",
            "device.parts_per_batch: expected 1, since layer n normalizes",
        ),
        (
            "train.batch_size=7 device.parts_per_batch=8",
            "device.parts_per_batch: expected at most 7, the images of a batch. Received: 8",
        ),
        ("device.precision=float8", "device.precision: expected one of float32"),
        ("tracking.tags=[a]", "tracking.tags: expected a mapping"),
        ("seed=${nowhere}", "seed: Interpolation key 'nowhere' not found"),
        ("seed=[1", r"seed=\[1: expected NAME=VALUE"),
        ("model=two_layers model.kernel_regularizer.l2=0.1", "model.kernel_regularizer: no layer"),
        (
            "model.layers.s={type: activation, activation: softmax, after: logits}",
            "model.layers.s: expected the logits to come last, since the loss applies softmax its.*"
            "Received: an activation layer after them. Remove this layer: model.layers.s=null$",
        ),
        (
            "model.layers.d={type: dropout, rate: 0.1}",
            "model.layers.d: expected the logits to come last.*d.after to one of flatten$",
        ),
        (
            "model.layers.image={type: flatten, after: flatten}",
            "model.layers.image: expected another name",
        ),
        ("optim.clipnorm=1.0 optim.clipvalue=1.0", "optim.clipvalue: expected one kind"),
        ("train.batch_size=1000000000", "train.batch_size: expected a number <= 100000"),
        ("seed=1,2", "seed.*Add -m to run each value"),
        ("tracking.run_name=Größe", "quotes within quotes"),
        ("model=random_forest train.epochs=2", "train.epochs: model=random_forest does not use"),
        ("model=random_forest model.depth=2", "model.depth: unknown setting"),
        ("train=1", "train: expected one of .*tutorial. Received: '1'$"),
        ("model=", "model: expected one of .*two_layers. Received: ''$"),
        ("model={a: b}", "model: expected one of .*two_layers. Received: '{a: b}'$"),
        ("optim=lamb", "Received: 'lamb'. Use optim=keras optim.class_name=Lamb$"),
        ("user=mine", "Received: none. mnistexp new experiment mine writes it$"),
        ("seed=${train.epoch}", "'train.epoch' not found. Did you mean train.epochs"),
    ],
)
def test_a_wrong_setting_gives_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        compose_config(split_overrides(override))
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def split_overrides(text: str) -> list[str]:
    return re.split(r" (?=[a-z0-9_.]+=)", text)


def test_epochs_and_steps_cannot_both_be_set() -> None:
    with pytest.raises(ConfigError, match="either train.epochs or train.steps. Received both"):
        compose_config(["train.epochs=1", "train.steps=3"])


@pytest.mark.parametrize(("epochs", "steps"), [(1, None), (None, 20)])
def test_a_length_on_the_command_line_replaces_that_of_an_experiment(
    epochs: int | None, steps: int | None
) -> None:
    typed = f"train.epochs={epochs}" if epochs else f"train.steps={steps}"
    for experiment in ("lab=1_1_two_layers_sigmoid", "fashion_mnist=1_softmax"):
        train = compose_config([experiment, typed])[0].train
        assert (train.epochs, train.steps) == (epochs, steps)


def test_a_wrong_value_that_many_layers_refer_to_is_reported_once() -> None:
    with pytest.raises(ConfigError) as error:
        compose_config(["model=five_layers", "model.activation=rellu"])
    assert str(error.value).count("rellu") == 1


@pytest.mark.parametrize("seed", ["-1", "a"])
@pytest.mark.parametrize("batch_size", ["0", "a"])
def test_all_wrong_settings_are_reported(seed: str, batch_size: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose_config([f"seed={seed}", f"train.batch_size={batch_size}"])
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "seed",
        "train.batch_size",
    ]


def test_a_layer_that_is_no_mapping_is_reported_beside_one_without_a_type() -> None:
    with pytest.raises(ConfigError) as error:
        compose_config(["model.layers={a: 5, b: {units: 3}}"])
    first, second = str(error.value).splitlines()
    assert first == "model.layers.a: expected a mapping. Received: 5"
    assert second.startswith("model.layers.b: the model has no layer b, only flatten, logits.")


def test_a_setting_that_no_file_contains_can_be_set() -> None:
    config, _ = compose_config(["train.early_stopping.patience=3", "optim.clipnorm=1.0"])
    assert config.train.early_stopping is not None
    assert config.train.early_stopping.patience == 3
    assert config.optim.clipnorm == 1.0


def test_each_optimizer_accepts_each_decay() -> None:
    for optim in list_groups()["optim"]:
        for decay in list_groups()["optim/decay"]:
            config, source = compose_config([f"optim={optim}", f"optim/decay={decay}"])
            assert config.optim.decay.type == decay
            assert source.choices["optim/decay"] == decay


def test_the_command_line_overrides_the_option_file() -> None:
    config, _ = compose_config(["optim=adam_decay", "optim.learning_rate=0.01"])
    assert config.optim.learning_rate == 0.01


def test_the_run_name_consists_of_the_choices_and_the_seed() -> None:
    config, source = compose_config(["model=conv_big", "optim=adam_decay", "seed=4"])
    assert source.run_name(config) == "conv_big-adam_decay-s4"
    assert source.overrides == ("model=conv_big", "optim=adam_decay", "seed=4")


def test_each_run_has_another_folder() -> None:
    assert compose_config([])[1].folder != compose_config([])[1].folder
