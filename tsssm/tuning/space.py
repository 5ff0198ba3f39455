"""A search space: which settings a trial tries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster
from tsssm.forecasters.forecaster import OF_MIXER
from tsssm.forecasters.settings import check_settings
from tsssm.mixers import read_stack
from tsssm.mixers.stack import pattern_layers
from tsssm.mixers.stack_settings import stack_setting_names

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Space", "candidate_of", "fitting_settings", "read_space", "space_faults"]

FIXED = ("horizon", "validation_size", "season_length")  # what the error measures
_FORMS = '(low, high), (low, high, "log") or a list of choices'
_PLAIN = (bool, int, float, str, type(None))  # what a storage keeps


@dataclass(frozen=True)
class Space:
    """A distribution for each setting, and what the names of choices stand for that a storage cannot keep."""

    distributions: Mapping[str, BaseDistribution]
    named: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A trial's parameters as settings of a forecaster, in the order of the space."""
        return {
            name: self.named.get(name, {}).get(params[name], params[name])
            for name in self.distributions
            if name in params
        }

    def own(self, model: Forecaster) -> dict[str, Any]:
        """The model's own values of the settings, of those of its mixers that are given; layers as their number."""
        params = model.get_params(deep=True)
        if "n_layers" in self.distributions:
            params["n_layers"] = len(model._checked_stack() or ())
        return {name: params[name] for name in self.distributions if name in params}

    def params(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the settings that the space holds, as a trial's parameters."""
        return {
            name: _stored(settings[name])
            for name, distribution in self.distributions.items()
            if name in settings and _holds(distribution, _stored(settings[name]))
        }


def space_faults(space: Any, model: Forecaster) -> Iterator[str]:
    """What is wrong with a space as users give it, a line each."""
    if not isinstance(space, Mapping) or not space:
        yield f"space must be a dict of settings, each with {_FORMS}; got {space!r}"
        return
    valid = sorted(set(model.get_params(deep=False)) - set(FIXED))
    of_mixers = _mixer_settings(space, model)
    for name, values in space.items():
        if name in FIXED:
            yield f"space names {name!r}, which changes what the error measures. Set it on the model"
        elif isinstance(name, str) and name.startswith(OF_MIXER) and name not in of_mixers:
            known = ", ".join(of_mixers) or "none"
            yield f"space names {name!r}, which is no setting of the mixers; there are {known}"
        elif name not in valid and name not in of_mixers:
            yield f"space names {name!r}, which is no setting; there are {', '.join(valid)}"
        else:
            yield from _range_faults(name, values)


def fitting_settings(model: Forecaster, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's settings without those of mixers that it does not have, and with layers that are whole patterns."""
    mixer = settings.get("mixer", model.mixer) or model._own_mixer
    known = _stack_settings(mixer)
    fitting = {name: value for name, value in settings.items() if not name.startswith(OF_MIXER) or name in known}
    if isinstance(fitting.get("n_layers"), Integral):
        fitting["n_layers"] = _whole_patterns(mixer, fitting["n_layers"])
    return fitting


def _whole_patterns(mixer: Any, n_layers: int) -> int:
    """The layers of the pattern as many times as they go into the number, and once at least."""
    try:
        pattern = 1 if mixer is None else len(pattern_layers(mixer))
    except ConfigError:  # no mixer: its trials fail with the reason
        return n_layers
    return max(1, n_layers // pattern) * pattern


def candidate_of(model: Forecaster, settings: Mapping[str, Any]) -> Forecaster:
    """A copy with these settings; where they change the mixer, the model's own of mixers that are gone are left out."""
    candidate = clone(model)
    if "mixer" in settings and isinstance(model.mixer_settings, Mapping):
        known = _stack_settings(settings["mixer"] or model._own_mixer)
        kept = {name: value for name, value in model.mixer_settings.items() if OF_MIXER + name in known}
        candidate.set_params(mixer_settings=kept or None)
    return candidate.set_params(**settings)


def _mixer_settings(space: Mapping[str, Any], model: Forecaster) -> list[str]:
    """Names of the settings of all mixers that a trial may have."""
    choices = space.get("mixer", [model.mixer])
    stacks = [mixer or model._own_mixer for mixer in (choices if isinstance(choices, list) else [])]
    return list(dict.fromkeys(name for stack in stacks for name in _stack_settings(stack)))


def _stack_settings(mixer: Any) -> list[str]:
    """None of a mixer that is not known: its trials fail with the reason."""
    try:
        return [] if mixer is None else [OF_MIXER + name for name in stack_setting_names(read_stack(mixer))]
    except ConfigError:
        return []


def read_space(space: Mapping[str, Any]) -> Space:
    """A space without faults, for Optuna."""
    named = {
        name: {_stored(value): value for value in values if not isinstance(value, _PLAIN)}
        for name, values in space.items()
        if isinstance(values, list)
    }
    return Space({name: _distribution(values) for name, values in space.items()}, named)


def _range_faults(name: str, values: Any) -> Iterator[str]:
    if isinstance(values, list) and values:
        tried = values
    elif isinstance(values, tuple) and len(values) in (2, 3) and values[2:] in ((), ("log",)):
        tried = list(values[:2])
        if not all(isinstance(v, Real) and not isinstance(v, bool) for v in tried) or not tried[0] <= tried[1]:
            yield f"space[{name!r}] must be two numbers, the lower one first; got {values!r}"
            return
        if len(values) == 3 and tried[0] <= 0:
            yield f'space[{name!r}] is "log" and must lie above 0; got {values!r}'
            return
    else:
        yield f"space[{name!r}] must be {_FORMS}; got {values!r}"
        return
    if isinstance(values, list) and len({repr(_stored(value)) for value in values}) < len(values):
        yield f"space[{name!r}] has two choices that read the same, {values!r}: a search cannot tell them apart"
        return
    for value in tried:
        try:
            check_settings({name: value})
        except ConfigError as error:
            yield f"space[{name!r}]: {str(error).partition('- ')[2]}"


def _distribution(values: list | tuple) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, list):
        return CategoricalDistribution([_stored(value) for value in values])
    low, high, log = *values[:2], len(values) == 3
    if isinstance(low, Integral) and isinstance(high, Integral):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _stored(value: Any) -> Any:
    return value if isinstance(value, _PLAIN) else repr(value)


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return any(type(value) is type(choice) and value == choice for choice in distribution.choices)
    kind = Integral if isinstance(distribution, IntDistribution) else Real
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    return distribution.low <= value <= distribution.high  # type: ignore[attr-defined]
