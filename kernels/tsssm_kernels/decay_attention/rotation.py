"""Rotation of a state by a fixed angle each step, by way of queries and keys that turn with their positions.

Positions count from the start of a call, in float64: no absolute position exists, however long a stream runs.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["count_positions", "turn_state", "turned"]


def count_positions(length: int, time_gaps: Tensor | None, device: torch.device) -> Tensor:
    """Time since the state before the first step, (length,) or, with gaps, (batch, length), float64."""
    if time_gaps is None:
        return torch.arange(1, length + 1, dtype=torch.float64, device=device)
    return time_gaps.double().cumsum(1)


def turned(x: Tensor, angles: Tensor, positions: Tensor) -> Tensor:
    """Queries or keys (batch, length, heads, keys), rotated by position times angles (heads, pairs)."""
    turn = positions[..., None, None] * angles.double()
    return _rotate(x, turn.cos().to(x.dtype), turn.sin().to(x.dtype))


def turn_state(memory: Tensor, angles: Tensor, position: Tensor) -> Tensor:
    """A state (batch, heads, keys, values) of turned keys as what it is after `position`: rotated back."""
    turn = -position[..., None, None] * angles.double()
    cos, sin = turn.cos().to(memory.dtype), turn.sin().to(memory.dtype)
    return _rotate(memory.mT, cos.unsqueeze(-2), sin.unsqueeze(-2)).mT


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first pairs of the last axis, (i, pairs + i); the others stay."""
    pairs = cos.shape[-1]
    first, second, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return torch.cat([cos * first - sin * second, sin * first + cos * second, rest], dim=-1)
