"""What the CPU kernels of the delta rule read and write: addresses of contiguous float32 memory, 0 for none."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Gradients", "Inputs", "Outputs", "Sizes"]


class Sizes(NamedTuple):
    """Sizes of a call. An item of work is a group of heads of one series."""

    length: int
    heads: int
    groups: int  # of heads
    keys: int  # numbers of a key
    values: int  # numbers of a value
    decays: int  # numbers of a log-decay: 0 without decay, 1, or as many as of a key


class Inputs(NamedTuple):
    """Inputs; T stands for batch * length."""

    q: Any  # (T, heads, keys)
    k: Any  # (T, heads, keys)
    v: Any  # (T, heads, values)
    a: Any  # (T, heads, keys)
    b: Any  # (T, heads, keys)
    log_decay: Any  # (T, heads, decays)
    resets: Any  # (T,), optional: 1 where a sequence begins


class Outputs(NamedTuple):
    """What the forward pass writes; the state comes in as the initial one."""

    y: Any  # (T, heads, values)
    state: Any  # (batch, heads, keys, values)
    read: Any  # (T, heads, values), optional: what `a` reads of the state before each step
    checkpoints: Any  # (batch, chunks, heads, up(keys), up(values)), optional


class Gradients(NamedTuple):
    """Gradients; of the state it comes in as that of the final one."""

    q: Any
    k: Any
    v: Any
    a: Any
    b: Any
    log_decay: Any
    state: Any
