"""Which settings differ between made-up seed groups, and how that is described."""

from collections.abc import Mapping
from typing import Any

from support import seed_group, table_of_runs

from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed
from mnistexp.analysis.setting_differences import (
    describe_changes,
    differing_settings,
    label_groups,
)
from mnistexp.config.run_names import short_names

SOFTMAX = {"model": "softmax", "model.layers.logits.units": 10}
CONV = {"model": "conv", "model.layers.c.filters": 4}
DENSE = {"type": "dense", "activation": "relu", "units": 200}


def groups_of(*settings: Mapping[str, Any]) -> list[SeedGroup]:
    """Return a seed group for each mapping of settings."""
    return group_by_seed(table_of_runs([{"seed": 0, "test_accuracy": 0.9, **s} for s in settings]))


def layer(name: str, **settings: Any) -> dict[str, Any]:
    return {f"model.layers.{name}.{key}": value for key, value in settings.items()}


def test_the_units_that_the_data_decides_are_left_out() -> None:
    def group(data: str, classes: int, units: int) -> SeedGroup:
        layers = {"model.layers.hidden.units": units, "model.layers.logits.units": classes}
        return seed_group([0.9], data=data, **{"data.num_classes": classes, **layers})

    assert differing_settings([group("mnist", 10, 50), group("pets", 3, 50)]) == ["data"]
    assert differing_settings([group("mnist", 10, 50), group("pets", 3, 60)]) == [
        "data",
        "model.layers.hidden.units",
    ]


def test_equal_settings_are_left_out() -> None:
    groups = groups_of({"optim": "sgd", "device": "cpu"}, {"optim": "adam", "device": "cpu"})
    assert differing_settings(groups) == ["optim"]


def test_settings_that_follow_from_a_choice_are_left_out() -> None:
    groups = groups_of(SOFTMAX | {"optim.momentum": 0.1}, CONV | {"optim.momentum": 0.2})
    assert differing_settings(groups) == ["model", "optim.momentum"]


def test_a_setting_that_differs_between_groups_with_the_same_choice_is_named() -> None:
    wide = CONV | {"model.layers.c.filters": 8}
    assert differing_settings(groups_of(SOFTMAX, CONV, wide)) == ["model", "model.layers.c.filters"]


def test_an_experiment_may_set_anything() -> None:
    first, second = {"lab": "a", "optim": "sgd"}, {"lab": "b", "optim": "adam"}
    assert differing_settings(groups_of(SOFTMAX | first, CONV | second)) == ["lab"]


def test_a_setting_that_only_one_group_has_differs() -> None:
    groups = groups_of({"optim.momentum": 0.9, "seed": 0}, {"seed": 0})
    assert differing_settings(groups) == ["optim.momentum"]


def test_a_layer_setting_that_follows_from_the_default_of_all_layers_is_left_out() -> None:
    def network(activation: str, **changes: Any) -> dict[str, Any]:
        layers = layer("hidden1", activation=activation) | layer("hidden2", activation=activation)
        return {"model": "conv", "model.activation": activation, **layers, **changes}

    assert differing_settings(groups_of(network("relu"), network("tanh"))) == ["model.activation"]
    own = network("relu", **layer("hidden2", activation="elu"))
    assert differing_settings(groups_of(network("relu"), network("tanh"), own)) == [
        "model.activation",
        "model.layers.hidden2.activation",
    ]


def test_labels_say_what_differs() -> None:
    groups = groups_of(
        {"model": "conv", "optim": "adam", "optim.learning_rate": 0.00517178},
        {"model": "softmax", "optim": "adam", "optim.learning_rate": 0.1},
    )
    assert label_groups(groups) == ["conv, learning_rate=0.005172", "softmax, learning_rate=0.1"]


def test_equal_labels_have_ids() -> None:
    (label,) = label_groups(groups_of(SOFTMAX))
    group = groups_of(SOFTMAX)[0]
    assert label == group.name
    assert all(text.startswith(f"{label} (") for text in label_groups([group, group]))


def test_added_and_removed_layers_are_described() -> None:
    before = seed_group([0.9], **layer("hidden1", **DENSE), **layer("old", **DENSE))
    after = seed_group(
        [0.9],
        **layer("hidden1", **DENSE),
        **layer("hidden2", **DENSE),
        **layer("drop", type="dropout", rate=0.25),
        **layer("conv1", type="conv2d", kernel_size=6, filters=12),
    )
    assert describe_changes(before, after) == [
        "+ hidden2 (dense 200)",
        "+ drop (dropout 0.25)",
        "+ conv1 (conv2d 6×6×12)",
        "− old",
    ]


def test_the_same_change_of_several_layers_is_described_once() -> None:
    before = seed_group([0.9], **layer("hidden1", **DENSE), **layer("hidden2", **DENSE))
    tanh = DENSE | {"activation": "tanh"}
    after = seed_group([0.9], **layer("hidden1", **tanh), **layer("hidden2", **tanh))
    assert describe_changes(before, after) == ["activation relu → tanh (hidden1, hidden2)"]


def test_a_type_and_its_own_settings_are_described_together() -> None:
    before = seed_group([0.9], **{"optim.decay.type": "none"})
    after = seed_group([0.9], **{"optim.decay.type": "exponential", "optim.decay.floor": 0.1})
    assert describe_changes(before, after) == ["optim.decay none → exponential (floor 0.1)"]


def test_values_are_written_as_in_yaml() -> None:
    before = seed_group([0.9], **{"train.evaluate_on": ["test"], "data.use_test": True})
    after = seed_group([0.9], **{"train.evaluate_on": ["validation"], "data.use_test": False})
    assert sorted(describe_changes(before, after)) == [
        "data.use_test true → false",
        "train.evaluate_on [test] → [validation]",
    ]


def test_a_default_length_is_described_by_its_epochs() -> None:
    lengths: list[dict[str, object]] = [
        {"train.epochs": 1, "train.steps": None},
        {"train.epochs": None, "train.steps": None},
        {"train.epochs": None, "train.steps": 30},
    ]
    one, default, steps = (
        seed_group([0.9], **{"train.batch_size": 100}, **length) for length in lengths
    )
    assert describe_changes(one, default) == ["train.epochs 1 → 5"]
    assert describe_changes(one, steps) == ["train.epochs 1 → none", "train.steps none → 30"]


def test_settings_that_come_with_another_type_are_not_changes() -> None:
    before = seed_group([0.9], **{"optim.type": "sgd", "optim.learning_rate": 0.003})
    after = seed_group(
        [0.9], **{"optim.type": "adam", "optim.learning_rate": 0.01, "optim.beta_1": 0.9}
    )
    assert describe_changes(before, after) == [
        "optim.type sgd → adam",
        "optim.learning_rate 0.003 → 0.01",
    ]


def test_choices_are_not_described_as_they_only_name_settings() -> None:
    assert describe_changes(seed_group([0.9], model="a"), seed_group([0.9], model="b")) == []


def test_a_path_that_is_the_ending_of_another_stays_as_it_is() -> None:
    assert short_names(["seed", "data.seed"]) == {"seed": "seed", "data.seed": "data.seed"}


NETWORK = {"model.type": "network", "train.steps": 200}
SGD = {"optim.type": "sgd", "optim.learning_rate": 0.5}
ADAM = {"optim.type": "adam", "optim.learning_rate": 0.001, "optim.beta_1": 0.9}
FOREST = {"model": "random_forest", "model.type": "random_forest", "model.n_estimators": 100}


def test_a_setting_that_another_type_of_model_does_not_have_is_no_difference() -> None:
    softmax, conv = SOFTMAX | NETWORK | SGD, CONV | NETWORK | SGD
    assert differing_settings(groups_of(softmax, conv, FOREST)) == ["model"]
    longer = softmax | {"train.steps": 400}
    assert differing_settings(groups_of(softmax, longer, FOREST)) == ["model", "train.steps"]


def test_settings_of_another_type_of_optimizer_are_no_differences() -> None:
    first, second = SOFTMAX | NETWORK | SGD, SOFTMAX | NETWORK | ADAM
    assert differing_settings(groups_of(first, second)) == ["optim.type", "optim.learning_rate"]
    other = second | {"optim.beta_1": 0.8}
    assert "optim.beta_1" in differing_settings(groups_of(first, second, other))


def test_a_setting_that_is_none_in_a_group_of_the_same_type_differs() -> None:
    clipped = SOFTMAX | NETWORK | SGD | {"optim.clipnorm": 1.0}
    assert differing_settings(groups_of(SOFTMAX | NETWORK | SGD, clipped)) == ["optim.clipnorm"]
