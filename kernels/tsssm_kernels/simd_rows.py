"""Rows of numbers between tensors, as long as they are, and a kernel's own memory, where they fill whole vectors."""

from __future__ import annotations

from numba import float32

from .simd import LANES, inlined, load, prefetch, read, splat, store, write

__all__ = ["clear", "prefetch_row", "read_row", "whole", "write_row"]


@inlined
def whole(count):
    """`count` filled up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@inlined
def read_row(source, at, count, row, to):
    """Copy `count` numbers; zeros fill the last vector."""
    full = count // LANES * LANES
    for n in range(0, full, LANES):
        store(row, to + n, load(source, at + n))
    if full < count:
        store(row, to + full, splat(float32(0.0)))
        for n in range(full, count):
            write(row, to + n, read(source, at + n))


@inlined
def write_row(row, at, count, target, to):
    """Copy the first `count` numbers."""
    full = count // LANES * LANES
    for n in range(0, full, LANES):
        store(target, to + n, load(row, at + n))
    for n in range(full, count):
        write(target, to + n, read(row, at + n))


@inlined
def clear(row, start, stop):
    """Zeros from `start` to `stop`, whole vectors."""
    for n in range(start, stop, LANES):
        store(row, n, splat(float32(0.0)))


@inlined
def prefetch_row(source, at, count):
    """Ask for `count` numbers, to be there soon."""
    for n in range(at, at + count, LANES):
        prefetch(source, n)


@inlined
def read_apart(source, at, count, row, to, step):
    """Copy `count` numbers, the vectors of the copy `step` numbers apart; zeros fill the last one."""
    for n in range(0, count, LANES):
        read_row(source, at + n, min(LANES, count - n), row, to + n // LANES * step)


@inlined
def write_apart(row, at, step, count, target, to):
    """Copy back what `read_apart` copies."""
    for n in range(0, count, LANES):
        write_row(row, at + n // LANES * step, min(LANES, count - n), target, to + n)
