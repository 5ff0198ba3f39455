"""States between tensors, (batch, channels, state, 2), and a kernel's own memory, (state, 2, 16) for a block.

Sixteen channels by sixteen numbers at a time, turned by a transpose.
"""

from __future__ import annotations

from numba import float32

from ..simd import LANES, inlined, load, read, splat, stack, store, write
from ..simd_tiles import transpose

__all__ = ["read_states", "write_states"]


@inlined
def read_states(sizes, source, series, block, states, to):
    """States of a block of channels; zeros where there are no more channels or numbers."""
    tile = stack(LANES)
    numbers = 2 * sizes.state_given
    for n in range(0, 2 * sizes.state, LANES):
        count = min(LANES, numbers - n)
        for lane in range(LANES):
            channel = block * LANES + lane
            at = (series * sizes.channels + channel) * numbers + n
            if channel < sizes.channels and count == LANES:
                store(tile, lane, load(source, at))
            else:
                store(tile, lane, splat(float32(0.0)))
                if channel < sizes.channels:
                    for i in range(count):
                        write(tile, lane * LANES + i, read(source, at + i))
        transpose(tile, 0)
        for i in range(min(LANES, 2 * sizes.state - n)):
            store(states, to + (n + i) * LANES, load(tile, i))


@inlined
def write_states(sizes, states, at, target, series, block):
    """The way back."""
    tile = stack(LANES)
    numbers = 2 * sizes.state_given
    for n in range(0, numbers, LANES):
        count = min(LANES, numbers - n)
        for i in range(count):
            store(tile, i, load(states, at + (n + i) * LANES))
        transpose(tile, 0)
        for lane in range(min(LANES, sizes.channels - block * LANES)):
            to = (series * sizes.channels + block * LANES + lane) * numbers + n
            if count == LANES:
                store(target, to, load(tile, lane))
            else:
                for i in range(count):
                    write(target, to + i, read(tile, lane * LANES + i))
