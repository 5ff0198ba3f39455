"""What the CPU kernels of the diagonal scan read and write: addresses of float32 memory, 0 for none.

Channels lie in blocks of sixteen, the lanes of a vector; a complex number is two vectors, one after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["CHUNK", "CONSTANTS", "OF_CONSTANTS", "Gradients", "Inputs", "Outputs", "Sizes"]

CHUNK = 16  # steps that a kernel takes at once, and between two checkpoints
CONSTANTS = 12  # vectors of each number of the state
OF_CONSTANTS = 6  # vectors of their gradients


class Sizes(NamedTuple):
    """Sizes of a call. An item of work is a group of blocks of one series."""

    length: int
    blocks: int
    groups: int  # of blocks
    channels: int
    state: int  # complex numbers, an even number of them: filled up with one that stays zero
    state_given: int


class Inputs(NamedTuple):
    """Inputs; T stands for batch * length, E for blocks * 16."""

    u: Any  # (T, E)
    constants: Any  # (blocks, state, CONSTANTS, 16), see the kernels
    D: Any  # (E,)
    state: Any  # (batch, channels, state_given, 2): the initial one
    resets: Any  # (T,), optional: 1 where a sequence begins
    gaps: Any  # (T,), optional
    times: Any  # (T, 2), with gaps: time since the state before the first step, and what its rounding took off


class Outputs(NamedTuple):
    """What the forward pass writes."""

    y: Any  # (T, E)
    state: Any  # (batch, channels, state_given, 2)
    checkpoints: Any  # (batch, chunks, blocks, state, 2, 16), optional


class Gradients(NamedTuple):
    """Gradients; those that series share have a part for each range of work, R of them.

    Those that channels share have one for each group, G of them.
    """

    u: Any  # (T, E)
    constants: Any  # (R, blocks, state, OF_CONSTANTS, 16): of the transition or its logarithm, of B, and y's times x
    D: Any  # (R, E)
    gaps: Any  # (G, T), with gaps
    state: Any  # (batch, channels, state_given, 2): in, of the final state; out, of the initial one
