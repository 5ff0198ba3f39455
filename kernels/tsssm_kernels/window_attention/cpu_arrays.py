"""What the CPU kernels of window attention read and write: addresses of contiguous float32 memory, 0 for none."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["BLOCK", "Gradients", "Inputs", "Outputs", "Sizes", "up"]

BLOCK = 16  # queries that are taken at once: as many as a vector has lanes


class Sizes(NamedTuple):
    """Sizes of a call. An item of work is a head of keys of one series."""

    length: int
    past: int  # steps before the first that are given: 0, or the window
    heads: int
    kv_heads: int
    width: int  # numbers of a query and a key
    values: int  # numbers of a value
    window: int
    own_positions: int  # 1 if each series has its own, 0 if all begin at the first step
    scale: float


class Inputs(NamedTuple):
    """Inputs; T stands for batch * length, L for length filled up to whole blocks, N for 1 or batch."""

    q: Any  # (T, heads, width)
    k: Any  # (T, kv_heads, width)
    v: Any  # (T, kv_heads, values)
    past_keys: Any  # (batch * past, kv_heads, width), optional
    past_values: Any  # (batch * past, kv_heads, values), optional
    reach: Any  # (N, L): steps that a query may see, itself included
    turns: Any  # (N, 2, width / 2, L), optional: cosines and sines


class Outputs(NamedTuple):
    """What the forward pass writes."""

    y: Any  # (T, heads, values)
    keys: Any  # (T, kv_heads, width), optional: the turned keys
    peaks: Any  # (batch, heads, L), optional: of a query, the largest exponent
    inverses: Any  # (batch, heads, L): of the sum of a query's exponentials


class Gradients(NamedTuple):
    """Gradients of the inputs."""

    q: Any
    k: Any
    v: Any
    past_keys: Any
    past_values: Any


def up(count: int) -> int:
    """The numbers of whole vectors that hold so many."""
    return -(-count // BLOCK) * BLOCK
