"""The settings of a search."""

from typing import Any

import pytest
from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler

from mnistexp.errors import ConfigError
from mnistexp.sweeps.search_config import OBJECTIVES, build_sampler, parse_search_config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "test_accuracy"}, "allow_test_objective=true"),
        ({"objective": ["val_loss", "test_loss"]}, "Received: test_loss"),
        ({"objective": "val_acuracy"}, "Did you mean val_accuracy"),
        ({"n_trial": 5}, "hydra.sweeper.n_trial: unknown setting"),
        ({"objective": ["val_loss", "seconds"], "pruner": "median"}, "with several objectives"),
        ({"n_trials": None}, "expected n_trials or timeout_minutes. Received: neither"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_search_config(settings)


def test_each_objective_has_its_direction() -> None:
    objectives = ["val_accuracy", "seconds", "mean_images_per_second"]
    config = parse_search_config({"objective": objectives})
    assert config.directions == ["maximize", "minimize", "maximize"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_accepted(name: str) -> None:
    config = parse_search_config({"objective": name, "allow_test_objective": True})
    assert config.objectives == [name]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("tpe", TPESampler), ("random", RandomSampler), ("CmaEsSampler", CmaEsSampler)],
)
def test_a_sampler_is_named_shortly_or_by_its_class(name: str, kind: type) -> None:
    if name == "CmaEsSampler":
        pytest.importorskip("cmaes")
    assert isinstance(build_sampler(parse_search_config({"sampler": name}), 0), kind)


def test_an_unknown_setting_of_the_sampler_is_refused() -> None:
    config = parse_search_config({"sampler": "tpe", "sampler_settings": {"startup": 3}})
    with pytest.raises(ConfigError, match="hydra.sweeper.sampler=tpe: .*startup"):
        build_sampler(config, 0)
