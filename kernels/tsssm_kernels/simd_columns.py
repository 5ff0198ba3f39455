"""Values of a chunk turned: a vector of time steps for each of them, and states with a row of keys for each."""

from __future__ import annotations

from numba import float32

from .chunks import CHUNK
from .simd import LANES, called, load, read, splat, store, write
from .simd_tiles import transpose

__all__ = ["read_checkpoint", "read_columns", "write_columns"]


@called
def read_columns(source, at, step, steps, count, columns, four, which, tile):
    """Values of a chunk, `count` a step, as vectors of time steps.

    Those of four values lie side by side, `four` numbers for each of the fours, from `which` on.
    """
    for w in range(0, count, LANES):
        for i in range(CHUNK):
            store(tile, i, splat(float32(0.0)))
        for i in range(steps):
            if w + LANES <= count:
                store(tile, i, load(source, at + i * step + w))
            else:
                for n in range(count - w):
                    write(tile, i * LANES + n, read(source, at + i * step + w + n))
        transpose(tile, 0)
        for n in range(LANES):
            store(columns, (w + n) // 4 * four + which + (w + n) % 4 * CHUNK, load(tile, n))


@called
def write_columns(columns, steps, count, target, at, step, tile):
    """Write back vectors of time steps, one for each value."""
    for w in range(0, count, LANES):
        for n in range(LANES):
            store(tile, n, load(columns, (w + n) * CHUNK))
        transpose(tile, 0)
        for i in range(steps):
            if w + LANES <= count:
                store(target, at + i * step + w, load(tile, i))
            else:
                for n in range(count - w):
                    write(target, at + i * step + w + n, read(tile, i * LANES + n))


@called
def read_checkpoint(source, kept, wide, V, states, tile):
    """A checkpoint of the state, turned: a row of keys for each value."""
    for n in range(0, wide, LANES):
        for w in range(0, V, LANES):
            for i in range(LANES):
                store(tile, i, load(source, (kept * wide + n + i) * V + w))
            transpose(tile, 0)
            for i in range(LANES):
                store(states, (w + i) * wide + n, load(tile, i))
