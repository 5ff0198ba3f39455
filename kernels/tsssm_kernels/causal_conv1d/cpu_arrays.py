"""What the convolution's CPU kernels read and write: float32 memory, channels in blocks of sixteen lanes.

The arrays are tensors in Python, contiguous, and their addresses in a kernel (0 for what is not there).
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Gradients", "Inputs", "Sizes"]


class Sizes(NamedTuple):
    """Sizes of a call. An item of work is a group of blocks of one series."""

    series: int
    length: int
    blocks: int  # of sixteen channels
    groups: int  # of blocks
    taps: int
    x_stride: int  # numbers from one step of x, and of its gradient, to the next
    y_stride: int  # the same of the gradient of y
    silu: int  # 1 for an output after SiLU


class Inputs(NamedTuple):
    """Inputs; T stands for batch * length, E for blocks * 16."""

    x: Any  # (T, x_stride), of which the first E
    state: Any  # (batch, taps - 1, E), optional: the inputs before
    weight: Any  # (taps, E)
    bias: Any  # (E,), optional
    resets: Any  # (T,), optional: 1 where a sequence begins


class Gradients(NamedTuple):
    """Gradients; weight and bias have a part for each share of the work, zero at first."""

    y: Any  # (T, y_stride): comes in; may be the memory of that of x
    last: Any  # (batch, taps - 1, E): comes in, optional
    x: Any  # (T, x_stride)
    state: Any  # (batch, taps - 1, E), written where there is a state
    weight: Any  # (shares, taps, E)
    bias: Any  # (shares, E)
