"""What the CPU kernels of the sLSTM read and write: addresses of contiguous float32 memory, 0 for none."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["ENDS", "KEPT", "SERIES", "Gradients", "Inputs", "Outputs", "Sizes"]

SERIES = 4  # that share a load of the recurrent weights
KEPT = 5  # rows kept of each step: weight of what enters in n, what enters, output gate, slope of log f, cell / n
ENDS = 3  # rows kept of each series: weight of the initial c in the first step's c / n, step that m is from, last n


class Sizes(NamedTuple):
    """Sizes of a call. An item of work is a group of heads of `together` series, of fewer at the end."""

    batch: int
    length: int
    heads: int
    groups: int  # of heads
    width: int  # of a head
    together: int  # series of an item, at most SERIES


class Inputs(NamedTuple):
    """Inputs; T stands for batch * length."""

    gates: Any  # (T, heads, 4, width); in the backward pass not read
    recurrent: Any  # (heads, 2, vectors, width, 2, 16): gates in two pairs, lanes are what is not summed
    y: Any  # (batch, heads, width): the output before the first step
    resets: Any  # (T,), optional: 1 where a sequence begins


class Outputs(NamedTuple):
    """What the forward pass writes; c, n and m come in as the initial ones."""

    y: Any  # (T, heads, width)
    c: Any  # (batch, heads, width)
    n: Any
    m: Any
    kept: Any  # (T, heads, KEPT, whole vectors), optional
    ends: Any  # (batch, heads, ENDS, whole vectors), where there is `kept`


class Gradients(NamedTuple):
    """Gradients; of c, n and m they come in as those of the final ones."""

    gates: Any  # (T, heads, 4, width)
    y: Any  # (batch, heads, width)
    c: Any
    n: Any
    m: Any
