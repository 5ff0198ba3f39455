"""What the CPU kernels of decay attention read and write: addresses of contiguous float32 memory, 0 for none."""

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
    sums: int  # 1 if sums of keys are kept: the state's column for a value that is always 1


class Inputs(NamedTuple):
    """Inputs; T stands for batch * length."""

    q: Any  # (T, heads, keys)
    k: Any  # (T, heads, keys)
    v: Any  # (T, heads, values)
    log_decay: Any  # (T, heads, decays)
    resets: Any  # (T,), optional: 1 where a sequence begins


class Outputs(NamedTuple):
    """What the forward pass writes; states come in as the initial ones."""

    y: Any  # (T, heads, values)
    weights: Any  # (T, heads): queries times the sums of keys
    state: Any  # (batch, heads, keys, values)
    sums: Any  # (batch, heads, keys)
    checkpoints: Any  # (batch, chunks, heads, up(keys), up(values)), optional
    sum_checkpoints: Any  # (batch, chunks, heads, up(keys))


class Gradients(NamedTuple):
    """Gradients; of the states they come in as those of the final ones."""

    q: Any
    k: Any
    v: Any
    log_decay: Any
    state: Any
    sums: Any
