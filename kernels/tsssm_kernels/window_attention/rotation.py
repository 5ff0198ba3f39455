"""Rotary positions: queries and keys turned by angles that grow with the position.

Angles are exact wherever a stream has got to. A position times a frequency in float64 is off by 1e-4 after 1e12 steps,
and the query's error is not the key's; here whole turns drop out of an integer product, whose error is none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["turned", "turns_at"]


def turns_at(position: Tensor, base: float, width: int, dtype: torch.dtype) -> Tensor:
    """Cosines and sines of the angles ``position * base ** (-2 i / width)`` of the pairs of features i.

    Parameters
    ----------
    position : Tensor of int64, shape (...)
    base : float
        At least 1.
    width : int
        Features of a head, an even number.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    Tensor, shape (..., 2, width / 2)

    Examples
    --------
    >>> turns_at(torch.tensor([3]), 1000.0, 2, torch.float32)  # cos 3, sin 3
    tensor([[[-0.9900],
             [ 0.1411]]])
    """
    pairs = width // 2
    # turns of a step, in units of 2^-64 of a turn: below 2^63, since a step turns by at most one radian
    frequencies = [int(base ** (-i / pairs) / (2 * math.pi) * 2.0**64) for i in range(pairs)]
    part = position.unsqueeze(-1) * torch.tensor(frequencies, device=position.device)  # wraps around: modulo one turn
    angles = part.double() * (2 * math.pi * 2.0**-64)  # -pi to pi
    return torch.stack([angles.cos(), angles.sin()], dim=-2).to(dtype)


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the pairs of features (i, i + width / 2) of all heads.

    Parameters
    ----------
    x : Tensor, shape (..., heads, width)
    turns : Tensor, shape (..., 2, width / 2)
        As `turns_at` gives them, of the axes before the heads.

    Returns
    -------
    Tensor, shape (..., heads, width)

    References
    ----------
    Su, J. et al. (2021). RoFormer: Enhanced transformer with rotary position embedding. arXiv 2104.09864.
    """
    cosine, sine = turns.unsqueeze(-3).unbind(-2)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
