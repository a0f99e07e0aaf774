"""What a search may vary: ranges and choices in Hydra's grammar, as Optuna's distributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from mnistexp.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Space:
    """fixed: the overrides that are the same for all trials. open: what is searched, by its key."""

    fixed: Sequence[str]
    open: dict[str, "BaseDistribution"]
    prefixes: Mapping[str, str]
    """`++optim.learning_rate` of `optim.learning_rate`, as Hydra wants it."""

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial with these values."""
        return [*self.fixed, *(f"{self.prefixes[key]}={value}" for key, value in values.items())]

    def extremes(self) -> list[Mapping[str, Any]]:
        """Trials that together have each choice, and both ends of each range."""
        first = {key: _extremes(distribution)[0] for key, distribution in self.open.items()}
        found: list[Mapping[str, Any]] = [first]
        for key, distribution in self.open.items():
            found += [{**first, key: value} for value in _extremes(distribution)[1:]]
        return found


def build_space(overrides: Sequence[Override]) -> Space:
    """The space that overrides span.

    Raises:
        ConfigError: nothing is left open, or a range cannot be.
    """
    fixed, spanned, prefixes = [], {}, {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            name = key.lstrip("+")
            spanned[name] = _distribution(name, override)
            prefixes[name] = key
        else:
            fixed.append(f"{key}={override.get_value_element_as_str()}")
    if not spanned:
        raise ConfigError(
            "hydra/sweeper=optuna: expected something to search, for example "
            "'optim.learning_rate=tag(log,interval(1e-4,1e-1))' or model=conv,conv_big. "
            "Received: nothing"
        )
    return Space(fixed, spanned, prefixes)


def _distribution(name: str, override: Override) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    is_log = "log" in getattr(value, "tags", ())
    try:
        if isinstance(value, IntervalSweep):
            start, end = value.start, value.end
            if isinstance(start, int) and isinstance(end, int):
                return IntDistribution(start, end, log=is_log)
            return FloatDistribution(float(start or 0), float(end or 0), log=is_log)
        if isinstance(value, RangeSweep) and not value.shuffle:
            numbers = list(value.range())
            step: Any = value.step
            if all(isinstance(number, int) for number in numbers):
                return IntDistribution(numbers[0], numbers[-1], step=step)
            return FloatDistribution(float(numbers[0]), float(numbers[-1]), step=step)
    except (ValueError, IndexError) as error:
        raise ConfigError(f"{name}: {error}") from error
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _extremes(distribution: Any) -> list[Any]:
    choices = getattr(distribution, "choices", None)
    return list(choices) if choices else [distribution.low, distribution.high]


def grid_of(space: Space) -> list[dict[str, Any]]:
    """Every combination of values.

    Raises:
        ConfigError: an interval has no end of values.
    """
    grid = {}
    for key, distribution in space.open.items():
        found: Any = distribution
        if hasattr(found, "choices"):
            grid[key] = list(found.choices)
        elif found.step is not None and not found.log:
            count = round((found.high - found.low) / found.step) + 1
            grid[key] = [found.low + number * found.step for number in range(count)]
        else:
            raise ConfigError(
                f"{key}: expected choices or range(start,stop,step) for sampler=grid. "
                "Received: an interval"
            )
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
