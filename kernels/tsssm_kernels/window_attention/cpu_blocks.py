"""Sixteen steps of one head, turned so that a vector holds one feature of all of them, and turned back."""

from __future__ import annotations

from numba import float32

from ..simd import LANES, called, fma, load, read, splat, store, write
from ..simd_tiles import transpose

__all__ = ["FLOAT", "read_block", "rotate_block", "write_block"]

FLOAT = 4  # bytes


@called
def read_block(source, steps, stride, count, block, tile):
    """`steps` rows of `count` numbers, `stride` apart, as columns of a block (whole count, 16); zeros beyond."""
    for n in range(0, count, LANES):
        if n + LANES <= count:
            for i in range(steps):
                store(tile, i, load(source, i * stride + n))
        else:
            for i in range(steps):
                store(tile, i, splat(float32(0.0)))
                for c in range(count - n):
                    write(tile, i * LANES + c, read(source, i * stride + n + c))
        for i in range(steps, LANES):
            store(tile, i, splat(float32(0.0)))
        transpose(tile, 0)
        for i in range(LANES):
            store(block, (n + i) * LANES, load(tile, i))


@called
def write_block(block, steps, stride, count, target, tile):
    """The first `steps` columns of a block as rows of `count` numbers, `stride` numbers apart."""
    for n in range(0, count, LANES):
        for i in range(LANES):
            store(tile, i, load(block, (n + i) * LANES))
        transpose(tile, 0)
        for i in range(steps):
            at = i * stride + n
            if n + LANES <= count:
                store(target, at, load(tile, i))
            else:
                for c in range(count - n):
                    write(target, at + c, read(tile, i * LANES + c))


@called
def rotate_block(block, width, turns, n_turns, at, sign):
    """Turn features i and width / 2 + i by the angles of sixteen steps from `at` on, or back with a sign of -1."""
    pairs = width // 2
    for i in range(pairs):
        cosine = load(turns, i * n_turns + at)
        sine = load(turns, (pairs + i) * n_turns + at) * splat(float32(sign))
        first, second = load(block, i * LANES), load(block, (pairs + i) * LANES)
        store(block, i * LANES, first * cosine - second * sine)
        store(block, (pairs + i) * LANES, fma(first, sine, second * cosine))
