"""Convert choices and ranges of Hydra's grammar to Optuna's distributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from mnistexp.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class SearchSpace:
    """The settings that a search varies.

    Attributes:
        fixed: the overrides that all trials share.
        distributions: the distribution of each searched setting, by its path.
        override_keys: the path with its prefix, by path:
            `{"optim.learning_rate": "++optim.learning_rate"}`.
    """

    fixed: Sequence[str]
    distributions: dict[str, "BaseDistribution"]
    override_keys: Mapping[str, str]

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """Return the overrides of the trial with these values."""
        searched = [f"{self.override_keys[path]}={value}" for path, value in values.items()]
        return [*self.fixed, *searched]

    def boundary_trials(self) -> list[Mapping[str, Any]]:
        """Return trials that together have each choice and both ends of each range."""
        boundaries = {path: _boundaries(d) for path, d in self.distributions.items()}
        first = {path: values[0] for path, values in boundaries.items()}
        others = [
            {**first, path: value} for path, values in boundaries.items() for value in values[1:]
        ]
        return [first, *others]

    def grid(self) -> list[dict[str, Any]]:
        """Return every combination of the values.

        Raises:
            ConfigError: a setting has an interval, which has no finite number of values.
        """
        values = {path: _all_values(path, d) for path, d in self.distributions.items()}
        return [dict(zip(values, point, strict=True)) for point in product(*values.values())]


def build_search_space(overrides: Sequence[Override]) -> SearchSpace:
    """Build the search space of the overrides.

    Raises:
        ConfigError: no override has several values, or a range is invalid.
    """
    fixed, distributions, override_keys = [], {}, {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            path = key.lstrip("+")
            distributions[path] = _build_distribution(path, override)
            override_keys[path] = key
        else:
            fixed.append(f"{key}={override.get_value_element_as_str()}")
    if not distributions:
        raise ConfigError(
            "hydra/sweeper=optuna: expected at least one setting to search, for example "
            "'optim.learning_rate=tag(log,interval(1e-4,1e-1))' or model=conv,conv_big. "
            "Received: none"
        )
    return SearchSpace(fixed, distributions, override_keys)


def _build_distribution(path: str, override: Override) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    try:
        if isinstance(value, IntervalSweep):
            low, high, log = value.start, value.end, "log" in value.tags
            if isinstance(low, int) and isinstance(high, int):
                return IntDistribution(low, high, log=log)
            return FloatDistribution(float(low or 0), float(high or 0), log=log)
        if isinstance(value, RangeSweep) and not value.shuffle:
            numbers = list(value.range())
            step: Any = value.step
            if all(isinstance(number, int) for number in numbers):
                return IntDistribution(numbers[0], numbers[-1], step=step)
            return FloatDistribution(float(numbers[0]), float(numbers[-1]), step=step)
    except (ValueError, IndexError) as error:
        raise ConfigError(
            f"{path}: expected the lower limit first, and limits above 0 with log. "
            f"Received: {str(override.input_line).partition('=')[2]}"
        ) from error
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _boundaries(distribution: Any) -> list[Any]:
    choices = getattr(distribution, "choices", None)
    return list(choices) if choices else [distribution.low, distribution.high]


def _all_values(path: str, distribution: Any) -> list[Any]:
    if hasattr(distribution, "choices"):
        return list(distribution.choices)
    if distribution.step is None or distribution.log:
        raise ConfigError(
            f"{path}: expected choices or range(start,stop,step) with hydra.sweeper.sampler=grid. "
            "Received: an interval"
        )
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    return [distribution.low + index * distribution.step for index in range(count)]
