"""Settings of the mixers of a stack by name: ``n_heads`` of all that have it, ``attention__n_heads`` of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .mixer import Mixer
from .settings import SEPARATOR, setting_names
from .stack import Stack

__all__ = [
    "SEPARATOR",
    "kinds",
    "plain_settings",
    "resolve_settings",
    "settings_of",
    "stack_setting_names",
]


def kinds(stack: Stack) -> Stack:
    """Each mixer of a stack once, in their order."""
    return tuple(dict.fromkeys(stack))


def stack_setting_names(stack: Stack) -> tuple[str, ...]:
    """All names that settings of a stack may have.

    Examples
    --------
    >>> from tsssm.mixers import MLP, SwiGLU
    >>> stack_setting_names((MLP, SwiGLU))
    ('width', 'mlp__width', 'swiglu__width')
    """
    plain = [name for mixer in kinds(stack) for name in setting_names(mixer)]
    prefixed = [f"{mixer.name}{SEPARATOR}{name}" for mixer in kinds(stack) for name in setting_names(mixer)]
    return tuple(dict.fromkeys([*plain, *prefixed]))


def plain_settings(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings as plain values, such as JSON holds; none if there are none."""
    return {name: v.item() if isinstance(v, np.generic) else v for name, v in (settings or {}).items()}


def settings_of(mixer: type[Mixer], settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those of a stack's settings that a mixer takes: plain names that it has, and over them those with its prefix.

    Examples
    --------
    >>> from tsssm.mixers import Attention, Mamba
    >>> given = {"n_heads": 2, "mamba__state_size": 8, "attention__window": 10}
    >>> settings_of(Attention, given), settings_of(Mamba, given)
    ({'n_heads': 2, 'window': 10}, {'state_size': 8})
    """
    plain, own = {}, {}
    for name, value in plain_settings(settings).items():
        prefix, separator, rest = name.partition(SEPARATOR)
        if separator and prefix == mixer.name:
            own[rest] = value
        elif not separator and name in setting_names(mixer):
            plain[name] = value
    return plain | own


def resolve_settings(stack: Stack, context_tokens: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Settings that follow from the context, and over them those given; with prefixes where there are several kinds.

    Examples
    --------
    >>> from tsssm.mixers import Attention, Mamba
    >>> resolve_settings((Attention,), 40), resolve_settings((Mamba, Attention), 40, {"state_size": 8})
    ({'window': 40}, {'mamba__state_size': 8, 'attention__window': 40})
    """
    resolved = {mixer: mixer.settings_for(context_tokens) | settings_of(mixer, given) for mixer in kinds(stack)}
    if len(resolved) == 1:
        return resolved[stack[0]]
    return {f"{mixer.name}{SEPARATOR}{name}": v for mixer, own in resolved.items() for name, v in own.items()}
