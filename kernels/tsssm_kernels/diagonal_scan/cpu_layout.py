"""Parameters and times as the CPU kernels of the diagonal scan want them, and gradients of parameters back.

Complex tensors are (channels, state, 2) here, the last axis being real and imaginary part.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..selective_scan.cpu_launch import pack_rows, unpack_rows
from .cpu_arrays import CHUNK, CONSTANTS, OF_CONSTANTS

__all__ = [
    "constants_of_gaps",
    "constants_of_steps",
    "even",
    "times_of_steps",
    "unpack_constants",
]


def even(count: int) -> int:
    """Numbers of the state that the kernels work with: they take two at once."""
    return count + count % 2


def unpack_constants(packed: Tensor, channels: int, state: int) -> Tensor:
    """(blocks, even state * OF_CONSTANTS, 16) -> (channels, state, 3) complex."""
    parts = unpack_rows(packed, channels).view(channels, -1, OF_CONSTANTS // 2, 2)
    return torch.view_as_complex(parts)[:, :state]


def _pack_constants(vectors: list[Tensor]) -> Tensor:
    """Tensors of (channels, state) -> (blocks, even state * CONSTANTS, 16)."""
    state = vectors[0].shape[1]
    filled = vectors + [torch.zeros_like(vectors[0])] * (CONSTANTS - len(vectors))
    planes = torch.stack([vector.float() for vector in filled], dim=-1)
    return pack_rows(pad(planes, (0, 0, 0, even(state) - state)).flatten(-2))


def constants_of_steps(log_A: Tensor, B: Tensor, C: Tensor, length: int) -> Tensor:
    """What the kernels for steps that are all alike need; see there."""
    exponent = torch.view_as_complex(log_A.double())
    transition = exponent.exp()
    rounded = transition.to(torch.complex64).to(transition.dtype)
    missed = []
    for steps in (CHUNK, length % CHUNK):
        short = (exponent * steps).exp() - rounded**steps
        missed += [short.real, short.imag]
    back = (2 * transition * torch.view_as_complex(C.double())).conj()
    read = *(2 * C).unbind(-1), *missed, back.real, back.imag
    return _pack_constants([transition.real, transition.imag, *B.unbind(-1), *read])


def constants_of_gaps(log_A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """What the kernels for steps of any length need; see there."""
    turns = log_A[..., 1].double() / (2 * math.pi)
    rest = turns - turns.float().double()
    return _pack_constants(
        [log_A[..., 0].double() / math.log(2), turns, rest, *B.unbind(-1), *(2 * C).unbind(-1), *log_A.unbind(-1)]
    )


def times_of_steps(time_gaps: Tensor) -> Tensor:
    """Time since the state before the first step, (batch, length, 2): a number, and what its rounding took off."""
    times = time_gaps.double().cumsum(1)
    leading = times.float()
    return torch.stack([leading, (times - leading.double()).float()], dim=-1)
