"""Choose the sizes of the mixers' states so that a stream of one series stays within a number of bytes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from numbers import Integral
from typing import Any

import torch

from tsssm.errors import ConfigError
from tsssm.forecasters.blank import blank_model, smallest_stream_bytes
from tsssm.forecasters.spec import ModelSpec
from tsssm.mixers import Mixer
from tsssm.mixers.layer_parameters import stack_parameters
from tsssm.mixers.stack import Stack
from tsssm.mixers.stack_settings import SEPARATOR, kinds, settings_of

__all__ = ["within_budget"]

MORE_IS_SMALLER = "n_heads"  # more heads are smaller ones, and a head's state is the square of its size


def within_budget(spec: ModelSpec, stack: Stack | None, budget: int) -> tuple[ModelSpec, str]:
    """The largest states, none larger than the settings say, with which a stream of one series fits.

    The stream is one with ``refresh="patch"``, without a base with "step". All mixers are made smaller in one
    proportion, each by its `Mixer.state_setting`.

    Parameters
    ----------
    spec : ModelSpec
    stack : tuple of Mixer types or None
    budget : int
        Bytes of one series.

    Returns
    -------
    spec : ModelSpec
        With other mixer settings, where the budget asks for it.
    note : str
        What was chosen.

    Raises
    ------
    ConfigError
        Not even the smallest states fit.
    """
    model = blank_model(spec, stack)
    needed, refresh = smallest_stream_bytes(model)
    if needed <= budget:
        return spec, _note({}, needed, budget, refresh)
    phases = spec.patch_length if refresh == "step" else 1
    rest = needed - phases * (0 if model.network is None else model.network.state_bytes())
    choices = [(rest + phases * state, sizes) for sizes, state in _choices(spec, stack or ())]
    fitting = [choice for choice in choices if choice[0] <= budget]
    if not fitting:
        least = min((taken for taken, _ in choices), default=needed)
        lags = f", of them {8 * spec.lags:,} the {spec.lags} values that the base looks back on" if spec.base else ""
        raise ConfigError(
            f"state_budget: {budget:,} bytes hold no state of this forecaster; the smallest takes {least:,}{lags}. "
            "Raise it, or lower d_model, n_layers, patch_length or context_length."
        )
    taken, sizes = max(fitting, key=lambda choice: choice[0])
    return replace(spec, mixer_settings={**spec.mixer_settings, **sizes}), _note(sizes, taken, budget, refresh)


def _choices(spec: ModelSpec, stack: Stack) -> Iterator[tuple[dict[str, int], int]]:
    """Sizes of all mixers in one proportion to their own, and the bytes of the network's state with them."""
    mixers = kinds(stack)
    smaller = {mixer: _smaller(mixer, spec) for mixer in mixers}
    for proportion in sorted({share for sizes in smaller.values() for share in sizes}, reverse=True):
        chosen, state = {}, 0
        for mixer, sizes in smaller.items():
            share = max((share for share in sizes if share <= proportion), default=min(sizes))
            size, taken = sizes[share]
            state += stack.count(mixer) * taken
            if share < 1:
                name = mixer.state_setting or ""
                chosen[name if len(mixers) == 1 else f"{mixer.name}{SEPARATOR}{name}"] = size
        yield chosen, state


def _smaller(mixer: type[Mixer], spec: ModelSpec) -> dict[Fraction, tuple[int, int]]:
    """By the share of its own size: the setting, and the bytes of a layer's state; its own size is among them."""
    own = settings_of(mixer, spec.mixer_settings)
    found = {Fraction(1): (0, _state_bytes(mixer, spec, own) or 0)}
    if mixer.state_setting is None:
        return found
    size = _own_size(mixer, own)
    more = mixer.state_setting == MORE_IS_SMALLER
    for smaller in range(size + 1, spec.d_model + 1) if more else range(1, size):
        taken = _state_bytes(mixer, spec, {**own, mixer.state_setting: smaller})
        if taken is not None:
            found[Fraction(size, smaller) if more else Fraction(smaller, size)] = smaller, taken
    return found


def _state_bytes(mixer: type[Mixer], spec: ModelSpec, settings: dict[str, Any]) -> int | None:
    """Of a layer, its channel mixer included; None where the mixer cannot be built so."""
    try:
        stack_parameters((mixer,), spec.d_model, settings)
    except ConfigError:  # heads that do not divide the width
        return None
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        layer = mixer(spec.d_model, **settings).float()
        channel = layer.channel_mixer()
    return layer.state_bytes() + (0 if channel is None else channel.float().state_bytes())


def _own_size(mixer: type[Mixer], own: dict[str, Any]) -> int:
    """As the settings say, else the mixer's default."""
    name = mixer.state_setting or ""
    parameter = inspect.signature(mixer.__init__).parameters.get(name)
    size = own.get(name, None if parameter is None else parameter.default)
    if not isinstance(size, Integral):
        raise ConfigError(
            f"state_budget: the mixer {mixer.name!r} says state_setting={name!r}, but its size there is {size!r}, no "
            "whole number. Set it in mixer_settings, or leave state_budget out."
        )
    return int(size)


def _note(sizes: dict[str, Any], needed: int, budget: int, refresh: str) -> str:
    chosen = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "all sizes as they are set"
    return f'state_budget of {budget:,} bytes: {chosen}; a stream of one series takes {needed:,} (refresh="{refresh}")'
