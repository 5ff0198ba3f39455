"""A mixer's own settings, checked before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tsssm.errors import ConfigError
from tsssm.mixers import Mixer, setting_names

__all__ = ["check_mixer_settings", "plain_settings", "resolve_mixer_settings"]

_ANY_CONTEXT = 30  # tokens; no parameter depends on them


def resolve_mixer_settings(
    mixer: type[Mixer], context_tokens: int, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Those that follow from the context, and over them those that are given."""
    return mixer.settings_for(context_tokens) | plain_settings(given or {})


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as plain values, for ``config.json``."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}


def check_mixer_settings(mixer: type[Mixer], given: Mapping[str, Any] | None, d_model: int) -> None:
    """Refuse settings that the mixer does not have or cannot be built with.

    Raises
    ------
    ConfigError
        A name is unknown, a value no plain one, or the mixer refuses.
    """
    if given is not None:
        _check_names(mixer, given)
    settings = resolve_mixer_settings(mixer, _ANY_CONTEXT, given)
    try:
        with torch.device("meta"):  # without memory and random numbers
            mixer(d_model, layer_index=0, n_layers=1, **settings).channel_mixer()
    except ConfigError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ConfigError(
            f"the mixer {mixer.name!r} cannot be built with d_model={d_model} and mixer_settings={dict(settings)!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_names(mixer: type[Mixer], given: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise ConfigError(f"mixer_settings must be a dict of settings by name, or None; got {given!r}")
    allowed = setting_names(mixer)
    for name, value in plain_settings(given).items():
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            raise ConfigError(f"mixer_settings has {name!r}, which {mixer.name!r} does not; its settings are: {known}")
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise ConfigError(f"mixer_settings[{name!r}] must be a number, a text, True, False or None; got {value!r}")
