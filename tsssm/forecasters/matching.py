"""Sizes with which a network has as many parameters as another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from tsssm.errors import ConfigError
from tsssm.forecasters.parameters import backbone_parameters, refuse_budget
from tsssm.mixers import Mixer
from tsssm.mixers.layer_parameters import stack_parameters
from tsssm.mixers.stack import Stack
from tsssm.mixers.stack_settings import SEPARATOR, kinds, settings_of

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["match_parameters"]

# how far the mixers' own sizes may go from their defaults, the first with which some width fits
_PROPORTIONS = (0.8, 1.25), (0.4, 2.5), (0.125, 4.0)
_MOST_WIDTH = 1 << 15
_ANY_WIDTH = 64  # the name of a size does not depend on it


def match_parameters(target: Forecaster | int, model: Forecaster, tolerance: float = 0.01) -> Forecaster:
    """A copy of a forecaster whose backbone has as many parameters as another's.

    The backbone is the residual blocks and all norms; embedding, head and base follow from the width, the horizon and
    the data and are counted apart. The width is the model's own, if the mixers keep their proportions there, else that
    at which they are nearest to their defaults; one size of each mixer (`Mixer.size_setting`, such as the width of its
    MLP) makes up the rest. All `mixer_settings` of the model are kept: a size that is among them is not fitted, and
    where all sizes are, the width alone is, in steps that may be coarser than the tolerance. So match the model you
    set up, not what an earlier match returned: the sizes fitted there are settings like any others. With
    ``verbose=True`` of the model, a table tells what both take (see `tsssm.cost_table`).

    Parameters
    ----------
    target : Forecaster or int
        One with a network, which counts as it was fitted, or if it was not, as it is set; or the number of parameters.
    model : Forecaster
        One with a network, of any mixer or pattern; it stays as it is.
    tolerance : float, default 0.01
        Largest relative difference.

    Returns
    -------
    Forecaster
        Not fitted, with another `d_model` and other `mixer_settings`.

    Raises
    ------
    ConfigError
        One of the two has no network, or a `state_budget`, which chooses sizes in fit; or there are no such sizes, be
        it for those that are given.

    Examples
    --------
    >>> from tsssm import Forecaster, MambaForecaster
    >>> hybrid = match_parameters(MambaForecaster(24), Forecaster(24, mixer="gla*3+attention", verbose=False))
    >>> hybrid.d_model, hybrid.mixer_settings
    (40, {'gla__mlp_width': 76, 'attention__mlp_width': 113})
    >>> from tsssm import cost_table
    >>> cost_table({"mamba": MambaForecaster(24), "hybrid": hybrid})["backbone"].to_dict()
    {'mamba': 65472, 'hybrid': 65483}
    """
    from tsssm.forecasters.costs import cost_table
    from tsssm.forecasters.forecaster import Forecaster

    if not isinstance(model, Forecaster):
        raise ConfigError(f"model must be a forecaster, fitted or not; got {model!r}")
    if not (isinstance(tolerance, Real) and 0 < tolerance < 1):
        raise ConfigError(f"tolerance must be a number between 0 and 1; got {tolerance!r}")
    wanted, stack, given = _wanted(target), model._stack_of_any_width(), model.mixer_settings or {}
    if stack is None:
        raise ConfigError(f"{type(model).__name__} has no network, and so no parameters to match.")
    refuse_budget(model)
    found = _find_sizes(stack, given, wanted, int(model.d_model), tolerance)
    if found is None:
        kept = _given_sizes(stack, given)
        raise ConfigError(
            f"no {type(model).__name__} of {len(stack)} layers{f' and {kept}' if kept else ''} has within "
            f"{tolerance:.1%} of {wanted:,} backbone parameters. Choose another number of layers, or a larger tolerance"
            f"{f'; or leave {kept} out of mixer_settings, for what is given is not fitted' if kept else ''}."
        )
    d_model, sizes = found
    matched = clone(model).set_params(d_model=d_model, mixer_settings={**given, **sizes} or None)
    if model.verbose:
        rows = {"target": target} if isinstance(target, Forecaster) else {}
        print(cost_table({**rows, "matched": matched}).T.to_string(header=bool(rows)))
    return matched


def _wanted(target: Any) -> int:
    from tsssm.forecasters.forecaster import Forecaster

    if isinstance(target, Forecaster):
        return backbone_parameters(target)
    if isinstance(target, Integral) and not isinstance(target, bool) and int(target) > 0:
        return int(target)
    raise ConfigError(f"target must be a forecaster or a number of parameters; got {target!r}")


def _find_sizes(
    stack: Stack, given: dict, wanted: int, own: int, tolerance: float
) -> tuple[int, dict[str, Any]] | None:
    """Width and the mixers' sizes; None where there are none."""
    unit = _width_unit(stack, given)
    for least, most in _PROPORTIONS:
        for d_model in _widths(stack, given, wanted, own, unit, (least, most)):
            sizes = _fit_sizes(stack, given, d_model, wanted, (least, most))
            if abs(_count(stack, given, d_model, sizes) - wanted) <= tolerance * wanted:
                return d_model, sizes
    return None


def _widths(
    stack: Stack, given: dict, wanted: int, own: int, unit: int, proportions: tuple[float, float]
) -> Iterator[int]:
    """Widths at which the number wanted lies between those of the smallest and the largest sizes.

    The model's own first, if it is one of them; then the nearest to that at which the sizes are the defaults.
    """

    def count(width: int, proportion: float) -> float:
        try:
            return _count(stack, given, width, _sizes(stack, given, width, proportion))
        except ConfigError:  # narrower than a mixer can be
            return -math.inf

    least, most = proportions
    first = _first_multiple(lambda width: count(width, most) >= wanted, unit)
    last = _first_multiple(lambda width: count(width, least) >= wanted, unit)
    if own % unit == 0 and first <= own <= last:
        yield own
    below = max(unit, first - unit)  # it may come closer from below
    possible = (width for width in range(below, last + unit, unit) if count(width, 1.0) > 0)
    yield from sorted(possible, key=lambda width: abs(count(width, 1.0) - wanted))


def _first_multiple(holds: Callable[[int], bool], unit: int) -> int:
    """The smallest multiple of `unit` from which on a growing quantity is large enough."""
    low, high = 0, 1
    while not holds(unit * high) and unit * high < _MOST_WIDTH:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(unit * middle) else (middle, high)
    return unit * high


def _fit_sizes(
    stack: Stack, given: dict, d_model: int, wanted: int, proportions: tuple[float, float]
) -> dict[str, Any]:
    """Sizes in the common proportion to their defaults that comes closest."""
    low, high = proportions
    for _ in range(16):  # sizes are below 2^16
        middle = (low * high) ** 0.5
        enough = _count(stack, given, d_model, _sizes(stack, given, d_model, middle)) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    both = [_sizes(stack, given, d_model, proportion) for proportion in (low, high)]
    return min(both, key=lambda sizes: abs(_count(stack, given, d_model, sizes) - wanted))


def _sizes(stack: Stack, given: dict, d_model: int, proportion: float) -> dict[str, Any]:
    """The size setting of each mixer in proportion to its default, by the names that a stack's settings have.

    Without those that are given: they stay.
    """
    sizes = {}
    for mixer in kinds(stack):
        own = settings_of(mixer, given)
        setting = mixer.size_setting(d_model, own)
        if setting is not None and own.get(setting[0]) is None:
            name, default = setting
            size = _allowed_size(mixer, d_model, own, name, max(1, round(proportion * default)))
            prefixed = f"{mixer.name}{SEPARATOR}{name}"
            sizes[name if len(kinds(stack)) == 1 and prefixed not in given else prefixed] = size
    return sizes


def _given_sizes(stack: Stack, given: dict) -> str:
    """Sizes that are given, as they are written there."""
    names = []
    for mixer in kinds(stack):
        setting = mixer.size_setting(_ANY_WIDTH, settings_of(mixer, given))
        if setting is not None:
            prefixed = f"{mixer.name}{SEPARATOR}{setting[0]}"
            names.append(prefixed if prefixed in given else setting[0])
    return " and ".join(f"{name}={given[name]!r}" for name in dict.fromkeys(names) if given.get(name) is not None)


def _allowed_size(mixer: type[Mixer], d_model: int, settings: dict[str, Any], name: str, size: int) -> int:
    """The size itself, or the next with which the mixer can be built: some take even ones only."""
    for candidate in range(size, size + 16):
        try:
            stack_parameters((mixer,), d_model, {**settings, name: candidate})
        except ConfigError:
            continue
        return candidate
    return size


def _width_unit(stack: Stack, given: dict) -> int:
    """The least number whose multiples are widths that all mixers can have."""
    refusal = None
    for unit in range(1, 1025):
        try:
            for multiple in (17, 19, 23):
                _count(stack, given, unit * multiple, {})
        except ConfigError as error:
            refusal = error
            continue
        return unit
    raise ConfigError(f"with mixer_settings={given!r} there is no width for these mixers: {refusal}") from refusal


def _count(stack: Stack, given: dict, d_model: int, sizes: dict[str, Any]) -> int:
    """Parameters of the blocks and norms."""
    return stack_parameters(stack, d_model, {**given, **sizes})
