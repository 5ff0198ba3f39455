"""Which settings of its own a mixer has."""

from __future__ import annotations

import inspect

from .mixer import Mixer

__all__ = ["SEPARATOR", "setting_names"]

SEPARATOR = "__"  # between a mixer's name and that of a setting

_OF_EVERY_MIXER = ("self", "d_model", "layer_index", "n_layers")


def setting_names(mixer: type[Mixer]) -> tuple[str, ...]:
    """Names of a mixer's own settings: what its constructor takes beside width and position.

    Examples
    --------
    >>> from tsssm.mixers import Mamba
    >>> setting_names(Mamba)
    ('state_size', 'expand', 'conv_width')
    """
    parameters = inspect.signature(mixer.__init__).parameters.values()
    named = (p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    return tuple(p.name for p in named if p.name not in _OF_EVERY_MIXER)
