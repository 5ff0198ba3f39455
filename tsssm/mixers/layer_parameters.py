"""How many parameters a layer has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch

from tsssm.errors import ConfigError

from .mixer import Mixer
from .stack import Stack
from .stack_settings import settings_of

__all__ = ["stack_parameters"]


def stack_parameters(stack: Stack, d_model: int, settings: Mapping[str, Any] | None = None) -> int:
    """Parameters of a stack's mixers and channel mixers, of the norm before each, and of the one after the last.

    Raises
    ------
    ConfigError
        A mixer refuses the width or its settings.

    Examples
    --------
    >>> from tsssm.mixers import MLP
    >>> stack_parameters((MLP, MLP), 10, {"width": 20})
    890
    """
    own = {
        mixer: tuple((name, type(value), value) for name, value in sorted(settings_of(mixer, settings).items()))
        for mixer in dict.fromkeys(stack)
    }
    return d_model + sum(_layer_parameters(mixer, d_model, min(i, 1), own[mixer]) for i, mixer in enumerate(stack))


@lru_cache(maxsize=1 << 14)
def _layer_parameters(mixer: type[Mixer], d_model: int, layer_index: int, settings: tuple) -> int:
    """Of one layer, the first or another (see `Mixer`); the types of values are there for the cache: 8 is not 8.0."""
    own = {name: value for name, _, value in settings}
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):  # shapes without memory
            layer = mixer(d_model, layer_index=layer_index, n_layers=2, **own)
            parts = [part for part in (layer, layer.channel_mixer()) if part is not None]
    except ConfigError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"the mixer {mixer.name!r} cannot be built with d_model={d_model} and mixer_settings={own!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return sum(d_model + sum(p.numel() for p in part.parameters()) for part in parts)
