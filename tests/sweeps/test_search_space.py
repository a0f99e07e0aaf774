"""Hydra's overrides as Optuna's distributions."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mnistexp.errors import ConfigError
from mnistexp.sweeps.search_space import SearchSpace, build_search_space


def space_of(*overrides: str) -> SearchSpace:
    return build_search_space(OverridesParser.create().parse_overrides(list(overrides)))


@pytest.mark.parametrize(
    ("value", "distribution"),
    [
        ("interval(0,0.6)", FloatDistribution(0, 0.6)),
        ("tag(log,interval(1e-4,1e-1))", FloatDistribution(1e-4, 1e-1, log=True)),
        ("int(interval(10,500))", IntDistribution(10, 500)),
        ("interval(10,500)", FloatDistribution(10, 500)),
        ("tag(log,int(interval(1,100)))", IntDistribution(1, 100, log=True)),
        ("range(50,500,50)", IntDistribution(50, 450, step=50)),
        ("range(0.1,0.5,0.1)", FloatDistribution(0.1, 0.4, step=0.1)),
        ("conv,conv_big", CategoricalDistribution(["conv", "conv_big"])),
    ],
)
def test_a_value_becomes_a_distribution(value: str, distribution: BaseDistribution) -> None:
    assert space_of(f"++x.y={value}").distributions == {"x.y": distribution}


def test_overrides_of_a_trial_have_the_fixed_and_the_searched_settings() -> None:
    space = space_of("++train.epochs=3", "++optim.learning_rate=interval(0,1)", "model=a,b")
    assert space.overrides({"optim.learning_rate": 0.5, "model": "b"}) == [
        "++train.epochs=3",
        "++optim.learning_rate=0.5",
        "model=b",
    ]


def test_boundary_trials_have_each_choice_and_both_ends_of_each_range() -> None:
    trials = space_of("model=a,b,c", "++x=interval(0.5,1)").boundary_trials()
    assert {trial["model"] for trial in trials} == {"a", "b", "c"}
    assert {trial["x"] for trial in trials} == {0.5, 1.0}
    assert len(trials) == 4


def test_the_grid_has_every_combination() -> None:
    grid = space_of("model=a,b", "++x=range(0,3,1)").grid()
    assert grid == [{"model": m, "x": x} for m in ("a", "b") for x in (0, 1, 2)]


def test_an_interval_has_no_grid() -> None:
    with pytest.raises(ConfigError, match="x: expected choices or range"):
        space_of("++x=interval(0,1)").grid()


def test_a_space_without_a_setting_to_search_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least one setting to search"):
        space_of("++seed=0")


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"x: expected the lower .* Received: interval\(2,1\)$"):
        space_of("++x=interval(2,1)")
