"""A search space: which settings a trial tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster
from tsssm.training import Training

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

__all__ = ["Ranges", "SpaceFunction", "configured", "read_space"]

PREFIX = "training__"  # scikit-learn's way to name a setting of a setting
FIXED = ("horizon", "validation_size", "season_length")
_FORMS = '(low, high), (low, high, "log"), a list of choices or an Optuna distribution'


@dataclass(frozen=True)
class Ranges:
    """A distribution for each setting."""

    distributions: Mapping[str, BaseDistribution]

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """The settings of a trial."""
        return {name: _suggest(trial, name, distribution) for name, distribution in self.distributions.items()}

    def own(self, model: Forecaster) -> dict[str, Any]:
        """The model's own values of the settings."""
        return {name: _value(model, name) for name in self.distributions}

    def expressible(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the model's own values that the ranges hold."""
        return {name: value for name, value in own.items() if _holds(self.distributions[name], value)}

    def narrowed(self, names: list[str]) -> Ranges:
        """Some of the ranges."""
        return Ranges({name: self.distributions[name] for name in names})

    def describe(self) -> dict[str, str]:
        """What tells two spaces apart."""
        return {name: repr(distribution) for name, distribution in self.distributions.items()}


@dataclass(frozen=True)
class SpaceFunction:
    """A function of the user's that takes an Optuna trial and returns settings."""

    function: Callable[[Any], Mapping[str, Any]]
    valid: frozenset[str]

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """The settings of a trial."""
        settings = self.function(trial)
        if not isinstance(settings, Mapping):
            raise ConfigError(f"space(trial) must return a dict of settings; got {settings!r}")
        _check_names(settings, self.valid)
        return dict(settings)

    def own(self, model: Forecaster) -> dict[str, Any]:
        """Unknown before the function is asked."""
        return {}

    def expressible(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """None of them."""
        return {}

    def narrowed(self, names: list[str]) -> Ranges:
        """Nothing: the model's own settings stay."""
        return Ranges({})

    def describe(self) -> dict[str, str]:
        """Functions are told apart by name alone."""
        return {"function": getattr(self.function, "__qualname__", type(self.function).__qualname__)}


def read_space(space: Any, model: Forecaster) -> Ranges | SpaceFunction:
    """Read a space as users give it.

    Parameters
    ----------
    space : mapping or callable
        Setting -> range or choices, or a function of an Optuna trial that returns a dict of settings.
    model : Forecaster
        The settings are its own.

    Raises
    ------
    ConfigError
        A name is no setting, may not be searched, or its range makes no sense.
    """
    valid = frozenset(model.get_params(deep=False)) | {PREFIX + field.name for field in fields(Training)}
    if callable(space):
        return SpaceFunction(space, valid)
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(f"space must be a dict of settings ({_FORMS}) or a function of a trial; got {space!r}")
    _check_names(space, valid)
    return Ranges({name: _read_range(name, values) for name, values in space.items()})


def configured(model: Forecaster, settings: Mapping[str, Any]) -> Forecaster:
    """An unfitted copy of the model with some settings changed."""
    copy = clone(model)
    copy.set_params(**{name: value for name, value in settings.items() if not name.startswith(PREFIX)})
    of_training = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    return copy.set_params(training=replace(copy.training, **of_training)) if of_training else copy


def _value(model: Forecaster, name: str) -> Any:
    return getattr(model.training, name.removeprefix(PREFIX)) if name.startswith(PREFIX) else getattr(model, name)


def _check_names(space: Mapping[str, Any], valid: frozenset[str]) -> None:
    for name in space:
        if name in FIXED:
            raise ConfigError(f"space names {name!r}, which changes what the error measures. Set it on the model.")
        if name not in valid:
            raise ConfigError(f"space names {name!r}, which is no setting; there are {', '.join(sorted(valid))}")


def _read_range(name: str, values: Any) -> BaseDistribution:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, BaseDistribution):
        return values
    if isinstance(values, list) and values:
        odd = [value for value in values if not isinstance(value, bool | int | float | str | None)]
        if odd:
            raise ConfigError(
                f"space[{name!r}] has the choice {odd[0]!r}. Choices are None, booleans, numbers and text; use names, "
                "and a function of the trial that turns them into settings."
            )
        return CategoricalDistribution(values)
    if not isinstance(values, tuple) or len(values) not in (2, 3) or values[2:] not in ((), ("log",)):
        raise ConfigError(f"space[{name!r}] must be {_FORMS}; got {values!r}")
    low, high = values[:2]
    log = len(values) == 3
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in (low, high)) or not low <= high:
        raise ConfigError(f"space[{name!r}] must be two numbers, the lower one first; got {values!r}")
    if log and low <= 0:
        raise ConfigError(f'space[{name!r}] is "log" and must lie above 0; got {values!r}')
    if isinstance(low, Integral) and isinstance(high, Integral):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _suggest(trial: BaseTrial, name: str, distribution: BaseDistribution) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return any(
            value is choice or (type(value) is type(choice) and value == choice) for choice in distribution.choices
        )
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    if isinstance(distribution, IntDistribution) and not isinstance(value, Integral):
        return False
    return distribution._contains(distribution.to_internal_repr(value))
