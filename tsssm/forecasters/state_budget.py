"""Choose the sizes of the mixers' states so that a stream of one series stays within a number of bytes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tsssm.errors import ConfigError
from tsssm.forecasters.blank import blank_model, patch_state_bytes
from tsssm.forecasters.spec import ModelSpec
from tsssm.mixers import Mixer
from tsssm.mixers.stack import Stack
from tsssm.mixers.stack_settings import SEPARATOR, kinds, settings_of

__all__ = ["within_budget"]

_SIXTY_FOURTHS = 64
MORE_IS_SMALLER = "n_heads"  # more heads are smaller ones, and a head's state is the square of its size


def within_budget(spec: ModelSpec, stack: Stack | None, budget: int) -> tuple[ModelSpec, str]:
    """The largest states, none larger than the settings say, with which a stream (refresh "patch") fits.

    All mixers are made smaller in one proportion, each by its `Mixer.state_setting`.

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
    least = None
    for sizes in _candidates(spec, stack):
        candidate = replace(spec, mixer_settings={**spec.mixer_settings, **sizes})
        try:
            needed = patch_state_bytes(blank_model(candidate, stack))
        except ConfigError:  # heads that do not divide the width
            continue
        if needed <= budget:
            return candidate, _note(sizes, needed, budget)
        least = needed if least is None else min(least, needed)
    raise ConfigError(
        f"state_budget: {budget:,} bytes hold no state of this forecaster; the smallest takes {least:,}, of them "
        f"{8 * spec.lags:,} the {spec.lags} values that the base looks back on. Raise it, or lower d_model, n_layers, "
        "patch_length or context_length."
    )


def _candidates(spec: ModelSpec, stack: Stack | None) -> Iterator[dict[str, int]]:
    """Sizes of all mixers, from those of the settings to the smallest."""
    own = {mixer: _own_size(mixer, spec) for mixer in kinds(stack or ()) if mixer.state_setting is not None}
    seen = []
    for parts in range(_SIXTY_FOURTHS, 0, -1):
        sizes = {}
        for mixer, size in own.items():
            name = mixer.state_setting or ""
            smaller = size * _SIXTY_FOURTHS // parts if name == MORE_IS_SMALLER else -(-size * parts // _SIXTY_FOURTHS)
            if smaller != size:
                sizes[name if len(kinds(stack or ())) == 1 else f"{mixer.name}{SEPARATOR}{name}"] = smaller
        if sizes not in seen:
            seen.append(sizes)
            yield sizes


def _own_size(mixer: type[Mixer], spec: ModelSpec) -> int:
    """As the settings say, else the mixer's default."""
    name = mixer.state_setting or ""
    default = inspect.signature(mixer.__init__).parameters[name].default
    return settings_of(mixer, spec.mixer_settings).get(name, default)


def _note(sizes: dict[str, Any], needed: int, budget: int) -> str:
    chosen = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "the mixers' own sizes"
    return f'state_budget of {budget:,} bytes: {chosen}; a stream of one series takes {needed:,} (refresh="patch")'
