"""The state of decay attention."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["DecayState"]

MaybeTensor = Any  # the options of a call decide which parts there are


class DecayState(NamedTuple):
    """State of `decay_attention`; what its options do not need is None.

    Parameters
    ----------
    memory : Tensor, shape (batch, heads, keys, values)
        Decayed sum of the products of keys and values.
    key_sum : Tensor, shape (batch, heads, keys), optional
        Decayed sum of the keys, with ``normalizer="keys"`` and ``"bounded"``.
    decay_sum : Tensor, shape (batch, heads), optional
        Decayed sum of ones, with ``normalizer="decays"``.
    scale : Tensor, shape (batch, heads), optional
        With an input gate: memory and key sum are ``exp(scale)`` times what they hold.
    key : Tensor, shape (batch, heads, keys), optional
        The last key, with `taps`.
    value : Tensor, shape (batch, heads, values), optional
        The last value, with `taps`.

    Examples
    --------
    >>> import torch
    >>> DecayState(torch.zeros(1, 4, 16, 16)).key_sum is None
    True
    """

    memory: Tensor
    key_sum: MaybeTensor = None
    decay_sum: MaybeTensor = None
    scale: MaybeTensor = None
    key: MaybeTensor = None
    value: MaybeTensor = None
