"""Rotary positions: queries and keys turned by angles that grow with the position."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["rotate"]


def rotate(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Turn pairs of features by an angle proportional to the position.

    Features i and i + D/2 of a head of D make a pair, turned by ``position * base ** (-2 i / D)``. The product of a
    rotated query and a rotated key depends on the distance of their positions alone.

    Parameters
    ----------
    x : Tensor, (..., heads, D)
        D is even.
    positions : Tensor of int64, broadcastable to (...)
        Angles are worked out in float64: in float32 they are off by 1e-3 at position 100,000.
    base : float
        The slowest pair takes nearly ``2 pi base`` positions for a turn.

    Returns
    -------
    Tensor, (..., heads, D)
        Of the dtype of `x`.

    References
    ----------
    Su, J. et al. (2021). RoFormer: Enhanced transformer with rotary position embedding. arXiv 2104.09864.

    Examples
    --------
    >>> import torch
    >>> rotate(torch.tensor([[[1.0, 0.0]]]), torch.tensor([3]), base=1000.0).flatten()  # cos 3, sin 3
    tensor([-0.9900,  0.1411])
    """
    half = x.shape[-1] // 2
    exponents = torch.arange(half, dtype=torch.float64, device=x.device) / half
    angles = positions[..., None, None] * base**-exponents  # (...) -> (..., 1, D / 2), the same for all heads
    dtype = torch.promote_types(x.dtype, torch.float32)
    cosine, sine = angles.cos().to(dtype), angles.sin().to(dtype)
    first, second = x[..., :half], x[..., half:]
    turned = torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
    return turned.to(x.dtype)
