"""A chunk of a block of sixteen channels: what the kernels do before and after the numbers of the state."""

from __future__ import annotations

from numba import float32

from ..simd import LANES, fma, inlined, load, splat, store
from ..simd_math import add_to
from ..simd_rows import prefetch_row
from .cpu_arrays import CHUNK, OF_CONSTANTS

__all__ = ["add_gradients", "begin_gradients", "begin_sums", "blocks_of", "prefetch_chunk", "steps_of", "write_sums"]


@inlined
def blocks_of(sizes, item):
    """The series of an item of work, and its blocks from one to another."""
    series, group = item // sizes.groups, item % sizes.groups
    return series, group * sizes.blocks // sizes.groups, (group + 1) * sizes.blocks // sizes.groups


@inlined
def steps_of(sizes, series, chunk):
    """The row of a chunk's first step, and its number of steps."""
    return series * sizes.length + chunk * CHUNK, min(CHUNK, sizes.length - chunk * CHUNK)


@inlined
def prefetch_chunk(sizes, source, first):
    """Ask for what a chunk has of all blocks."""
    wide = sizes.blocks * LANES
    prefetch_row(source, first * wide, CHUNK * wide)


@inlined
def begin_sums(sizes, inputs, first, steps, block, sums):
    """The input's own part of the output."""
    D = load(inputs.D, block * LANES)
    for i in range(steps):
        store(sums, i, D * load(inputs.u, ((first + i) * sizes.blocks + block) * LANES))


@inlined
def begin_gradients(sizes, inputs, grad_y, grads, share, first, steps, block, into_u):
    """That part's gradients."""
    D, of_D = load(inputs.D, block * LANES), splat(float32(0.0))
    for i in range(steps):
        at = ((first + i) * sizes.blocks + block) * LANES
        of_y = load(grad_y, at)
        store(into_u, i, D * of_y)
        of_D = fma(of_y, load(inputs.u, at), of_D)
    add_to(grads.D, (share * sizes.blocks + block) * LANES, of_D)


@inlined
def write_sums(sizes, sums, first, steps, block, target):
    """What was summed over the numbers of the state, step by step."""
    for i in range(steps):
        store(target, ((first + i) * sizes.blocks + block) * LANES, load(sums, i))


@inlined
def add_gradients(sizes, grads, share, block, n, of_a, of_b, of_B_a, of_B_b, read_x, read_z):
    """Gradients of a number's transition and of its B, and what the gradients of its C are made of."""
    into = ((share * sizes.blocks + block) * sizes.state + n) * OF_CONSTANTS * LANES
    add_to(grads.constants, into, of_a)
    add_to(grads.constants, into + LANES, of_b)
    add_to(grads.constants, into + 2 * LANES, of_B_a)
    add_to(grads.constants, into + 3 * LANES, of_B_b)
    add_to(grads.constants, into + 4 * LANES, read_x)
    add_to(grads.constants, into + 5 * LANES, read_z)
