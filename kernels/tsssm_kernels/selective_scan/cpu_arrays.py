"""What the CPU kernels of the scan read and write: float32 memory, channels in blocks of sixteen lanes.

The arrays are tensors in Python, contiguous, and their addresses in a kernel (0 for what is not there).
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["CHUNK", "Gradients", "Inputs", "Sizes"]

CHUNK = 8  # steps that a kernel takes at once, and between two checkpoints


class Sizes(NamedTuple):
    """Sizes of a scan. Rows of some arrays are parts of wider rows: stride and offset."""

    series: int
    length: int
    blocks: int  # of sixteen channels
    groups: int  # of blocks: the parts into which the channels of a series are cut
    state: int  # even: filled up with one that stays zero
    state_given: int
    rank: int  # of the step sizes; 0 where they are given channel by channel
    softplus: int
    B_stride: int
    B_offset: int
    C_stride: int
    C_offset: int
    low_stride: int
    z_stride: int
    z_offset: int
    grad_u_stride: int


class Inputs(NamedTuple):
    """Inputs of a scan; T stands for batch * length, E for blocks * 16."""

    u: Any  # (T, E)
    delta: Any  # (T, E), empty with a rank
    low: Any  # (T, low_stride), of which the first `rank`: low-rank step sizes
    up: Any  # (blocks, rank, 16): from low-rank step sizes to those of the channels
    bias: Any  # (E,)
    A: Any  # (blocks, state, 16), times log2(e)
    B: Any  # (T, B_stride)
    C: Any  # (T, C_stride)
    D: Any  # (E,)
    z: Any  # (T, z_stride), optional
    gaps: Any  # (T,), optional
    resets: Any  # (T,), optional: 1 where a sequence begins


class Gradients(NamedTuple):
    """Gradients of a scan's inputs.

    Those that several series share have a part for each range of work, R of them; those that several channels share
    one for each group, G of them.
    """

    u: Any  # (T, grad_u_stride), of which the first E
    delta: Any  # (T, E), empty with a rank
    low: Any  # (G, T, low_stride)
    up: Any  # (R, blocks, rank, 16)
    bias: Any  # (R, E)
    A: Any  # (R, blocks, state, 16)
    B: Any  # (G, T, B_stride)
    C: Any  # (G, T, C_stride)
    D: Any  # (R, E)
    z: Any  # (T, z_stride), optional
    gaps: Any  # (G, T), optional
    state: Any  # (batch, blocks, state, 16): in, of the final state; out, of the initial one
